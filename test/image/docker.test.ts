import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inRoot, provisionedRoot } from './root.mjs';

let root: string;
let scratch: string;
beforeAll(() => {
  root = provisionedRoot();
  scratch = mkdtempSync(join(tmpdir(), 'devctl-docker-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The engine as its unit starts it: the command, user and environment are read from there. */
function engine(): { command: string; environment: string } {
  const unit = readFileSync(join(root, 'etc/systemd/system/devctl-docker.service'), 'utf8');
  const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
  const environment = [...unit.matchAll(/^Environment=(.*)$/gm)].map(([, line]) => line).join(' ');
  return { command, environment };
}

/** What the machine does for it: udev opens the tunnel device, the mounts of the root are shared, and the volume is one. */
const MACHINE = `
  install -d /run/user && install -d -o dev -g dev -m 0700 /run/user/1000
  install -d -o dev -g dev /workspace/home /workspace/cache /workspace/docker
  mount -t tmpfs -o mode=0755,uid=1000,gid=1000 tmpfs /workspace/docker
  mknod -m 0666 /tmp/tun c 10 200 && mount --bind /tmp/tun /dev/net/tun
  mount --make-rshared /
  as_dev() { setpriv --reuid 1000 --regid 1000 --init-groups env HOME=/workspace/home DOCKER_HOST=unix:///run/user/1000/docker.sock "$@"; }`;

/** An image of one shell, made of what the root has. */
const TINY = `tar -C / --dereference -c bin/sh $(ldd /bin/sh | grep -oE '/[^ ]+' | sed s,^/,,) | as_dev docker import - tiny:1 >/dev/null`;

it('Docker runs containers as the workload’s user, and is given the image’s base images once', () => {
  const { command, environment } = engine();
  const { status, stdout, stderr } = inRoot(
    root,
    [
      'bash',
      '-c',
      `set -e; ${MACHINE}
      as_dev env ${environment} ${command} >/run/engine.log 2>&1 &
      for _ in $(seq 300); do as_dev docker version >/dev/null 2>&1 && break; sleep 0.1; done
      as_dev docker info --format '{{.Driver}} {{.DockerRootDir}} {{json .SecurityOptions}}' || cat /run/engine.log
      ${TINY}
      as_dev docker run --rm tiny:1 /bin/sh -c 'while read -r name value; do case $name in Uid:) echo "inside $value" ;; esac; done </proc/self/status'
      as_dev docker run --rm -d tiny:1 /bin/sh -c 'while :; do :; done' >/dev/null
      ps -eo user:20,args | grep '[w]hile :; do :; done' | grep -v docker | cut -d' ' -f1
      as_dev docker save -o /workspace/home/tiny.tar tiny:1 && mv /workspace/home/tiny.tar /var/cache/devctl/docker/tiny.tar
      as_dev docker rm -f $(as_dev docker ps -q) >/dev/null && as_dev docker rmi tiny:1 >/dev/null
      as_dev /usr/lib/devctl/seed-docker; as_dev docker images --format '{{.Repository}}:{{.Tag}}'
      as_dev docker rmi tiny:1 >/dev/null; as_dev /usr/lib/devctl/seed-docker; echo "left: $(as_dev docker images -q)"`,
    ],
    { scratch },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const [info, inside, outside, ...rest] = stdout.trim().split('\n');
  expect(info).toMatch(/^overlay2 \/workspace\/docker .*rootless/);
  // Root in the container is dev on the machine.
  expect(inside).toBe('inside 0\t0\t0\t0');
  expect(outside).toBe('dev');
  expect(rest).toEqual(['Loaded image: tiny:1', 'tiny:1', 'left:']);
});
