#!/bin/bash
# relay.sh PORT: standard input and output, with a port of this machine's loopback, until either ends. QEMU starts it for each connection to an
# address that it stands in for.
exec 3<>"/dev/tcp/127.0.0.1/$1" 4<&0 || exit 1
cat <&3 &
from=$!
cat <&4 >&3 &
to=$!
wait -n
kill "$from" "$to" 2>/dev/null
