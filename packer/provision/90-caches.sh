#!/usr/bin/env bash
# Fills the caches of the list caches.json: what a project of the usual kind would download first.
. "$(dirname "$0")/lib.sh"
scratch
list=$IMAGE_DIR/caches.json

# One archive, read from beginning to end: blocks of a fresh machine's disk come one by one from where the image lies, and a cache of
# thousands of files would be as many waits. `seed-npm` lays it where the workspace keeps its own.
fill_npm() {
  local made wanted
  wanted=$(jq -c '.npm' "$list" | sha256sum | cut -d' ' -f1)
  if [ "$(cat /var/cache/devctl/npm.list 2>/dev/null || true)" = "$wanted" ] && [ -s /var/cache/devctl/npm.tar ]; then return 0; fi
  say "cache of npm"
  mkdir "$SCRATCH/project"
  jq '{name: "cache", private: true, dependencies: .npm}' "$list" >"$SCRATCH/project/package.json"
  (cd "$SCRATCH/project" && npm install --cache "$SCRATCH/npm" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
  rm -rf "$SCRATCH/npm/_logs" "$SCRATCH/npm/_npx" "$SCRATCH/npm/_update-notifier-last-checked"
  made=/var/cache/devctl/npm.tar
  tar -C "$SCRATCH/npm" --sort=name --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' -cf "$made.partial" .
  mv "$made.partial" "$made"
  jq '[.packages | to_entries[] | select(.key != "") | {name: (.key | sub("^.*node_modules/"; "")), version: .value.version}] | unique' \
    "$SCRATCH/project/package-lock.json" >/var/cache/devctl/npm.json
  echo "$wanted" >/var/cache/devctl/npm.list
}

# pip and uv take wheels from a folder by themselves: nothing is copied.
fill_pip() {
  local names
  mapfile -t names < <(jq -r '.pip[]' "$list")
  install -d -m 0755 /var/cache/devctl/wheels
  if [ "$DEVCTL_SOURCE_PIP_CACHE" = official ]; then
    say "cache of pip"
    python3 -m pip download --quiet --disable-pip-version-check --dest /var/cache/devctl/wheels --only-binary :all: "${names[@]}"
  fi
  printf '[global]\nfind-links = /var/cache/devctl/wheels\n' >/etc/pip.conf
}

# As archives of the engine, loaded by devctl-docker-seed.service: the engine's own data is on the workspace volume.
fill_docker() {
  local name file names started=0
  install -d -m 0755 /var/cache/devctl/docker
  if [ "$DEVCTL_SOURCE_DOCKER_IMAGES" != official ]; then return 0; fi
  say "base images of Docker"
  mapfile -t names < <(jq -r '.docker[]' "$list")
  install -d -m 0711 "$SCRATCH/docker"
  dockerd --data-root "$SCRATCH/docker" --exec-root "$SCRATCH/exec" --pidfile "$SCRATCH/pid" -H "unix://$SCRATCH/docker.sock" \
    --iptables=false --ip6tables=false --bridge=none >"$SCRATCH/docker.log" 2>&1 &
  export DOCKER_HOST=unix://$SCRATCH/docker.sock
  for _ in $(seq 60); do
    if docker version >/dev/null 2>&1; then started=1; break; fi
    sleep 1
  done
  [ "$started" = 1 ] || die "the engine did not start to fetch base images: $(tail -n 3 "$SCRATCH/docker.log")"
  for name in "${names[@]}"; do
    file=/var/cache/devctl/docker/$(printf '%s' "$name" | tr '/:' '__').tar
    docker pull --quiet "$name"
    docker save --output "$file.partial" "$name"
    mv "$file.partial" "$file"
    docker image inspect "$name" | jq '.[0] | {name: .RepoTags[0], digest: .RepoDigests[0]}' >"${file%.tar}.json"
  done
  kill "$(cat "$SCRATCH/pid")"
  wait
}

fill_npm
fill_pip
fill_docker
chmod -R u=rwX,go=rX /var/cache/devctl
