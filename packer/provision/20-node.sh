#!/usr/bin/env bash
# Node.js, in a folder of its own, with its commands on everybody's path.
. "$(dirname "$0")/lib.sh"
home=/usr/local/lib/node

say "Node $NODE_VERSION"
if [ "$("$home/bin/node" --version 2>/dev/null || true)" != "v$NODE_VERSION" ]; then
  scratch
  if [ "$DEVCTL_SOURCE_NODE" = official ]; then
    sha256=$(pinned "NODE_SHA256_$ARCH_KEY")
    fetch "https://nodejs.org/dist/v$NODE_VERSION/node-v$NODE_VERSION-linux-$ARCH_NODE.tar.xz" "$sha256" "$SCRATCH/node.tar.xz"
    mkdir "$SCRATCH/node"
    tar -C "$SCRATCH/node" --strip-components=1 --no-same-owner -xf "$SCRATCH/node.tar.xz"
  else
    [ -x "$DEVCTL_SOURCE_NODE/bin/node" ] || die "DEVCTL_SOURCE_NODE=$DEVCTL_SOURCE_NODE has no bin/node"
    cp -a "$DEVCTL_SOURCE_NODE" "$SCRATCH/node"
    chown -R root:root "$SCRATCH/node"
  fi
  rm -rf "$home" "$SCRATCH/node/include" "$SCRATCH/node/share/doc" "$SCRATCH/node/share/man"
  mv "$SCRATCH/node" "$home"
fi
ln -sf "$home/bin/node" /usr/bin/node
put usr/lib/devctl/seed-npm 0755
put usr/bin/npm 0755
put usr/bin/npx 0755
node --version
