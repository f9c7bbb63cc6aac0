#!/usr/bin/env bash
# /etc/devctl/image.json: what this image has, how large it is, and what was replaced.
. "$(dirname "$0")/lib.sh"

say "report"
version() { "$@" 2>/dev/null | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1 || true; }
bytes() { du --apparent-size -sb "$@" 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }'; }
deb() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true; }
lines() { jq -Rn '[inputs | select(. != "")]'; }

versions=$(jq -n \
  --arg node "$(version node --version)" --arg npm "$(version npm --version)" --arg python "$(version python3 --version)" \
  --arg uv "$(version uv --version)" --arg docker "$(version dockerd --version)" --arg buildx "$(version docker buildx version)" \
  --arg compose "$(version docker compose version)" --arg aws "$(version aws --version)" --arg cdk "$(version cdk --version)" \
  --arg git "$(version git --version)" --arg tmux "$(version tmux -V)" --arg claude "$(version claude --version)" \
  --arg ssm "$([ -x /usr/bin/amazon-ssm-agent ] && echo "$SSM_AGENT_VERSION")" \
  --arg cloudwatch "$([ -d /opt/aws/amazon-cloudwatch-agent ] && echo "$CLOUDWATCH_AGENT_VERSION")" \
  --arg devctl "$(version devctl --version)" --arg systemd "$(deb systemd)" --arg kernel "$(dpkg-query -W -f '${Version}' linux-image-aws 2>/dev/null || true)" \
  '$ARGS.named | with_entries(select(.value != ""))')
caches=$(jq -n \
  --argjson npmBytes "$(bytes /var/cache/devctl/npm.tar)" --argjson npm "$(cat /var/cache/devctl/npm.json)" \
  --argjson wheelBytes "$(bytes /var/cache/devctl/wheels)" --argjson wheels "$(find /var/cache/devctl/wheels -name '*.whl' -printf '%f\n' | sort | lines)" \
  --argjson dockerBytes "$(bytes /var/cache/devctl/docker)" --argjson docker "$(find /var/cache/devctl/docker -name '*.json' -exec cat {} + | jq -s .)" \
  '{npm: {bytes: $npmBytes, packages: $npm}, pip: {bytes: $wheelBytes, wheels: $wheels}, docker: {bytes: $dockerBytes, images: $docker}}')
# Of the boot of the machine that bakes; that of a box is told by /usr/lib/devctl/boot-report on the box.
baking=$(if [ -d /run/systemd/system ]; then systemd-analyze time 2>/dev/null | head -n 1; fi)
jq -n \
  --argjson schema "$IMAGE_SCHEMA" --arg builtAt "$(date -u +%FT%TZ)" --arg base "$(. /etc/os-release && echo "$PRETTY_NAME")" \
  --arg arch "$ARCH" --argjson versions "$versions" --argjson caches "$caches" --argjson replaced "$(replaced | lines)" \
  --arg baking "$baking" --argjson enabledUnits "$(systemctl list-unit-files --state=enabled --no-legend --no-pager | awk '{ print $1 }' | lines)" \
  --argjson maskedUnits "$(awk '$1 !~ /^#/ && NF { print $1 }' /etc/devctl/masked-units | lines)" \
  --argjson rootBytes "$(du -xsb --exclude=/proc --exclude=/sys --exclude=/dev --exclude=/tmp --exclude=/run / 2>/dev/null | cut -f1)" \
  '{schema: $schema, builtAt: $builtAt, base: $base, arch: $arch, replaced: $replaced, versions: $versions, caches: $caches,
    boot: {bakeMachine: (if $baking == "" then null else $baking end), enabledUnits: $enabledUnits, maskedUnits: $maskedUnits},
    rootBytes: $rootBytes}' >/etc/devctl/image.json.partial
mv /etc/devctl/image.json.partial /etc/devctl/image.json
jq -r '"\(.base) \(.arch): root \(.rootBytes / 1048576 | floor) MiB; caches: npm \(.caches.npm.bytes / 1048576 | floor) MiB (\(.caches.npm.packages | length) packages), pip \(.caches.pip.bytes / 1048576 | floor) MiB, docker \(.caches.docker.bytes / 1048576 | floor) MiB"' /etc/devctl/image.json
