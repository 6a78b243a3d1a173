#!/bin/sh
# Keeps one program running: sh supervise.sh NAME DIR COMMAND [ARGUMENT...]
#
#   DIR/log/NAME.log   the program's output
#   DIR/run/NAME.pid   its pid in this pid namespace
#   DIR/run/NAME.hold  while this exists, the program is not started again
#
# A program that ends is started again: at once when it ran for a while, with a growing delay when it keeps failing.
set -eu

name=$1 dir=$2
shift 2
steady_seconds=10

note() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >>"$dir/log/init.log"; }
uptime_seconds() { cut -d. -f1 /proc/uptime; }

delay=0.2
while :; do
  while [ -e "$dir/run/$name.hold" ]; do sleep 0.1; done
  began=$(uptime_seconds)
  "$@" >>"$dir/log/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/run/$name.pid"
  status=0
  wait $! || status=$?
  rm -f "$dir/run/$name.pid"
  if [ $(($(uptime_seconds) - began)) -ge $steady_seconds ]; then delay=0.2; fi
  note "$name ended with status $status; starting it again in $delay s"
  sleep $delay
  case $delay in
    0.2) delay=0.5 ;;
    0.5) delay=1 ;;
    1) delay=2 ;;
    2) delay=4 ;;
    *) delay=8 ;;
  esac
done
