#!/bin/sh
# A Docker engine for one run of the bench, with everything that it keeps in DIR: engine.sh start DIR | stop DIR
# Needs root, and apt where the engine or busybox is not installed. `start` prints the address for DOCKER_HOST.
# The image `tiny` is busybox and nothing else: enough for `docker run` and for the Dev Container CLI.
set -eu
verb=${1:-} dir=${2:-}
case "$verb $dir" in
  "start /"* | "stop /"*) ;;
  *) echo "usage: engine.sh start|stop DIR (an absolute path)" >&2; exit 2 ;;
esac
socket=$dir/docker.sock

need() { # need COMMAND PACKAGE
  command -v "$1" >/dev/null && return
  [ -n "${updated:-}" ] || apt-get update -qq
  updated=1
  # RUNLEVEL=1: the package must not start a service of its own.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

make_image() {
  root=$dir/image
  mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/root"
  cp "$(command -v busybox)" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'ID=busybox' >"$root/etc/os-release"
  tar -C "$root" -c . | docker -H "unix://$socket" import - tiny:latest >/dev/null
}

start() {
  [ "$(id -u)" = 0 ] || { echo "the engine needs root" >&2; exit 1; }
  need dockerd docker.io
  need docker docker.io
  need busybox busybox-static
  mkdir -p "$dir"
  setsid dockerd --iptables=false --ip6tables=false --bridge=none --data-root "$dir/data" --exec-root "$dir/exec" \
    --pidfile "$dir/pid" -H "unix://$socket" >"$dir/log" 2>&1 </dev/null &
  tries=0
  until docker -H "unix://$socket" version >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 150 ]; then
      echo "the engine does not come up:" >&2
      tail -n 5 "$dir/log" >&2
      stop
      exit 1
    fi
    sleep 0.2
  done
  make_image
  echo "unix://$socket"
}

stop() {
  if [ -s "$dir/pid" ]; then
    pid=$(cat "$dir/pid")
    containers=$(docker -H "unix://$socket" ps -aq 2>/dev/null || true)
    # shellcheck disable=SC2086 # a list of ids
    [ -z "$containers" ] || docker -H "unix://$socket" rm -f $containers >/dev/null 2>&1 || true
    kill "$pid" 2>/dev/null || true
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.2; done
    kill -9 "$pid" 2>/dev/null || true
  fi
  umount "$dir/exec/netns/default" 2>/dev/null || true
  rm -rf "$dir"
}

"$verb"
