"""How the HTML report looks, and what its page may do: nothing but show itself."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content security policy: no script, no image, no font, no address is ever fetched."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --soft: #595959; --rule: #c9c9c9; --panel: #f5f5f3;
  --error: #a3201a; --warning: #7a4f00; --info: #0b4f94; --line: #1f6f5c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e6; --paper: #161616; --soft: #ababab; --rule: #444; --panel: #202020;
  --error: #ff9189; --warning: #f5c060; --info: #93c1ff; --line: #6fd0b6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1rem; } h4 { font-size: 1rem; margin: 0; }
h3.error, .error .badge { color: var(--error); } h3.warning, .warning .badge { color: var(--warning); }
h3.info, .info .badge { color: var(--info); }
a { color: inherit; } code { font-family: ui-monospace, monospace; font-size: .92em; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: var(--soft); }
th, td { text-align: left; font-weight: normal; padding: .25rem .5rem; border-bottom: 1px solid var(--rule); }
.count { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
article { background: var(--panel); border-left: 4px solid var(--info); padding: .75rem 1rem; margin: .75rem 0; }
article.error { border-color: var(--error); } article.warning { border-color: var(--warning); }
.badge { font-size: .8rem; font-weight: normal; border: 1px solid; border-radius: .25rem; padding: 0 .3rem; margin-left: .3rem; }
.place, figcaption, footer { color: var(--soft); font-size: .9rem; }
ul { margin: .4rem 0; padding-left: 1.2rem; } figure { margin: .5rem 0; }
svg { width: 100%; height: auto; max-width: 48rem; overflow: visible; }
summary { cursor: pointer; } :focus-visible { outline: 2px solid var(--info); outline-offset: 2px; }
dl { margin: .4rem 0; } dt { font-weight: bold; } dd { margin: 0 0 .4rem; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .axis { fill: var(--soft); font-size: 11px; }
@media (max-width: 40rem) { svg text { font-size: 21px; } svg .axis { font-size: 19px; } }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .line { fill: none; stroke: var(--line); stroke-width: 1.5; stroke-linecap: round; stroke-linejoin: round; }
svg .frame { fill: none; stroke: var(--rule); } svg path.bad { stroke: var(--error); stroke-dasharray: 2 3; }
svg circle.bad { fill: var(--paper); stroke: var(--error); stroke-width: 2; }
@media print { body { max-width: none; } article { break-inside: avoid; } }
"""
