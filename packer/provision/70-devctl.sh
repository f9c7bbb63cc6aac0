#!/usr/bin/env bash
# devctl itself: the agent that makes a machine a box, the command line, and their units.
. "$(dirname "$0")/lib.sh"

say "devctl agent and command line"
for file in agent.cjs devctl.cjs agent.json; do
  [ -s "$DEVCTL_DIST/$file" ] || die "$DEVCTL_DIST/$file is missing: run npm run build first, or set DEVCTL_DIST"
done
install -m 0644 -o root -g root "$DEVCTL_DIST/agent.cjs" "$DEVCTL_DIST/devctl.cjs" /opt/devctl/
install -m 0644 -o root -g root "$DEVCTL_DIST/agent.json" /etc/devctl/agent.json

# The one part that cannot be bundled: terminals.
if [ "$(jq -r .version /opt/devctl/node_modules/@lydell/node-pty/package.json 2>/dev/null || true)" != "$NODE_PTY_VERSION" ]; then
  integrity=NODE_PTY_LINUX_${ARCH_NODE^^}_INTEGRITY
  npm_checked @lydell/node-pty "$NODE_PTY_VERSION" "$NODE_PTY_INTEGRITY"
  npm_checked "@lydell/node-pty-linux-$ARCH_NODE" "$NODE_PTY_VERSION" "${!integrity}"
  npm install --prefix /opt/devctl --no-save --no-package-lock --no-audit --no-fund --loglevel=error --ignore-scripts "@lydell/node-pty@$NODE_PTY_VERSION"
fi

put usr/local/bin/devctl-agent 0755
put usr/local/bin/devctl 0755
put usr/lib/devctl/boot-report 0755
put etc/devctl/firewall.nft
for unit in devctl-agent.service devctl-firewall.service run-devctl.mount run-devctl-secrets.mount; do put "etc/systemd/system/$unit"; done
put etc/tmpfiles.d/devctl.conf
systemctl enable --quiet devctl-agent.service devctl-firewall.service run-devctl.mount run-devctl-secrets.mount
