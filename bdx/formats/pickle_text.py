"""Pickled lists of names read as a language of opcodes: nothing is imported, called or built, whatever the bytes say."""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

_MAX_OPS = 1_000_000

_PUSHED = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "FLOAT",
        "BINFLOAT",
    ]
)
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_STORE = frozenset(["PUT", "BINPUT", "LONG_BINPUT"])
_FETCH = frozenset(["GET", "BINGET", "LONG_BINGET"])
_IGNORED = frozenset(["PROTO", "FRAME", "STOP"])


class NotPlain(ValueError):
    """The bytes are no pickle, or one of a kind that bdx does not follow."""


@dataclass(slots=True)
class Made:
    """What a pickle would have built by calling something: the call is kept as words, never made."""

    of: Any
    state: Any = None


class _Mark:
    """The place on the stack where a list or tuple begins."""


def literals(data: bytes) -> Any:
    """Return what a pickle describes, made of lists, tuples, dicts, numbers and texts only; other objects are `Made`.

    Raises: NotPlain where the bytes are no pickle or use opcodes beyond those of containers and objects.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > _MAX_OPS:
                raise NotPlain(f"more than {_MAX_OPS} opcodes")
            _step(opcode.name, argument, stack, memo)
        return stack[-1]
    except NotPlain:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError) as error:
        raise NotPlain(str(error) or type(error).__name__) from error


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in _PUSHED:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name == "MARK":
        stack.append(_Mark())
    elif name in _STORE:
        memo[int(argument)] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in _FETCH:
        stack.append(memo[int(argument)])
    elif name in _ACTIONS:
        _ACTIONS[name](stack)
    elif name == "GLOBAL":
        stack.append(Made(argument))
    elif name not in _IGNORED:
        raise NotPlain(f"opcode {name}")


def _above_mark(stack: list[Any]) -> list[Any]:
    place = max(index for index, item in enumerate(stack) if isinstance(item, _Mark))
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _last(stack: list[Any], count: int) -> list[Any]:
    if len(stack) < count:
        raise NotPlain("the stack is empty")
    items = stack[len(stack) - count :]
    del stack[len(stack) - count :]
    return items


def _put_items(stack: list[Any], items: list[Any]) -> None:
    if isinstance(stack[-1], dict):
        stack[-1].update({str(key): value for key, value in zip(items[::2], items[1::2], strict=True)})


def _append(stack: list[Any], items: list[Any]) -> None:
    if isinstance(stack[-1], list):
        stack[-1].extend(items)


def _reduce(stack: list[Any]) -> None:
    of, arguments = _last(stack, 2)
    stack.append(Made(of, arguments))


def _build(stack: list[Any]) -> None:
    (state,) = _last(stack, 1)
    if isinstance(stack[-1], Made):
        stack[-1].state = state


_ACTIONS: dict[str, Any] = {
    "LIST": lambda stack: stack.append(_above_mark(stack)),
    "TUPLE": lambda stack: stack.append(tuple(_above_mark(stack))),
    "DICT": lambda stack: stack.append(_pairs(_above_mark(stack))),
    "EMPTY_LIST": lambda stack: stack.append([]),
    "EMPTY_TUPLE": lambda stack: stack.append(()),
    "EMPTY_DICT": lambda stack: stack.append({}),
    "APPEND": lambda stack: _append(stack, _last(stack, 1)),
    "APPENDS": lambda stack: _append(stack, _above_mark(stack)),
    "SETITEM": lambda stack: _put_items(stack, _last(stack, 2)),
    "SETITEMS": lambda stack: _put_items(stack, _above_mark(stack)),
    "TUPLE1": lambda stack: stack.append(tuple(_last(stack, 1))),
    "TUPLE2": lambda stack: stack.append(tuple(_last(stack, 2))),
    "TUPLE3": lambda stack: stack.append(tuple(_last(stack, 3))),
    "STACK_GLOBAL": lambda stack: stack.append(Made(" ".join(str(word) for word in _last(stack, 2)))),
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "BUILD": _build,
    "POP": lambda stack: _last(stack, 1),
    "DUP": lambda stack: stack.append(stack[-1]),
}


def _pairs(items: list[Any]) -> dict[str, Any]:
    return {str(key): value for key, value in zip(items[::2], items[1::2], strict=True)}


def names(data: bytes) -> list[str]:
    """Return a pickled list of texts; a number among them is written out.

    Raises: NotPlain where it is anything else.
    """
    found = literals(data)
    if not isinstance(found, (list, tuple)) or not all(isinstance(item, (str, bytes, int)) for item in found):
        raise NotPlain("not a list of names")
    return [_word(item) for item in found]


def objects(data: bytes) -> list[Any]:
    """Return the values of a pickled one- or two-dimensional array of objects: texts and numbers; None for anything else.

    Raises: NotPlain where it is no such array.
    """
    found = literals(data)
    state = found.state if isinstance(found, Made) else found
    values = state[-1] if isinstance(state, tuple) and len(state) == 5 else state
    if not isinstance(values, list):
        raise NotPlain("not an array of objects")
    return [_word(item) if isinstance(item, bytes) else item if isinstance(item, (str, int, float)) else None for item in values]


def _word(item: Any) -> str:
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
