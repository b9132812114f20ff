"""What can be computed: cycles and performance from instruments, identity and masses from production, one record from many."""
