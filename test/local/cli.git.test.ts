import { execFileSync, spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Person } from './cli-harness.ts';

let person: Person;
let server: Server;
let address: string;

/** git's own server, as a CGI program. */
function serveGit(root: string, incoming: IncomingMessage, answer: ServerResponse): void {
  const url = new URL(incoming.url ?? '/', 'http://git');
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: incoming.method,
      CONTENT_TYPE: incoming.headers['content-type'],
      HTTP_CONTENT_ENCODING: incoming.headers['content-encoding'],
      HTTP_GIT_PROTOCOL: incoming.headers['git-protocol'] as string | undefined,
    },
  });
  backend.stdin.on('error', () => undefined);
  incoming.pipe(backend.stdin);
  const chunks: Buffer[] = [];
  backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  backend.on('close', () => {
    const output = Buffer.concat(chunks);
    const end = output.indexOf('\r\n\r\n');
    const headers = output.subarray(0, end).toString().split('\r\n');
    for (const line of headers) {
      const [name = '', value = ''] = line.split(/: (.*)/);
      if (name === 'Status') answer.statusCode = Number.parseInt(value, 10);
      else answer.setHeader(name, value);
    }
    answer.end(output.subarray(end + 4));
  });
}

beforeAll(async () => {
  person = new Person();
  const work = person.folder('work');
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', work, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { env: person.env(), stdio: 'pipe' });
  git('init', '-q', '-b', 'main');
  execFileSync('sh', ['-c', 'echo one > a.txt && mkdir sub && printf "#!/bin/sh\\necho ran\\n" > sub/run.sh && chmod +x sub/run.sh'], {
    cwd: work,
  });
  git('add', '.');
  git('commit', '-qm', 'first');
  git('checkout', '-qb', 'other');
  execFileSync('sh', ['-c', 'echo two > a.txt'], { cwd: work });
  git('commit', '-qam', 'second');
  git('checkout', '-q', 'main');
  git('clone', '-q', '--bare', work, join(person.folder('served'), 'shop.git'));
  server = createServer((incoming, answer) => serveGit(person.folder('served'), incoming, answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await person?.leave();
  server?.close();
});

it('up with a git address clones it: files, modes, history and branch', async () => {
  await person.must(['up', `${address}/shop.git`]);
  const look = 'cat a.txt; sub/run.sh; git status --short --branch; git log --format=%s; ls -A /workspace/.devctl-box';
  const [first, ran, branch, subject, ...own] = (await person.must(['exec', 'shop', 'sh', '-c', look])).split('\n');
  expect([first, ran, branch, subject]).toEqual(['one', 'ran', '## main...origin/main', 'first']);
  expect(own.join()).not.toContain('clone-');
  await person.must(['up', `${address}/shop.git`, '--ref', 'other', '--name', 'second']);
  expect(await person.must(['exec', 'second', 'cat', 'a.txt'])).toBe('two\n');
  await person.must(['down', 'shop', 'second']);
});

it('a clone that fails says why, and is corrected with another address', async () => {
  const wrong = await person.run(['up', `${address}/missing.git`, '--name', 'fixed']);
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining(`git clone ${address}/missing.git failed`) });
  expect(wrong.stderr).toContain('not found');
  expect(wrong.stderr).not.toContain('.devctl-box');
  const branch = await person.run(['up', `${address}/shop.git`, '--ref', 'nowhere', '--name', 'fixed']);
  expect(branch).toMatchObject({ code: 1, stderr: expect.stringContaining('nowhere') });
  await person.must(['up', `${address}/shop.git`, '--name', 'fixed']);
  expect(await person.must(['exec', 'fixed', 'cat', 'a.txt'])).toBe('one\n');
  const taken = await person.run(['up', `${address}/missing.git`, '--name', 'fixed']);
  expect(taken).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a clone of') });
  await person.must(['down', 'fixed']);
});
