import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSessionSchema, filesQuerySchema } from '../../../launcher/contract/api.ts';
import { assertRelativePath } from '../../../launcher/contract/box.ts';
import { noteComment, readNoteComment } from '../../../launcher/contract/copy-notes.ts';
import { DevctlError, ERROR_CODES, ERRORS, isDevctlError } from '../../../launcher/contract/errors.ts';
import {
  decodeJson,
  encodeFrame,
  encodeJsonFrame,
  FRAME,
  FRAME_PAYLOAD_MAX_BYTES,
  FrameReader,
} from '../../../launcher/contract/exec-frames.ts';
import { execStartSchema } from '../../../launcher/contract/exec-messages.ts';
import {
  durationSchema,
  gitRefSchema,
  gitUrlSchema,
  idTimeMs,
  makeId,
  sessionIdSchema,
  workspaceNameSchema,
} from '../../../launcher/contract/fields.ts';
import { isFinal, isLegal, PHASE_NAMES, PHASES } from '../../../launcher/contract/phases.ts';
import { problemSchema } from '../../../launcher/contract/problem.ts';
import { OPERATIONS } from '../../../launcher/contract/routes.ts';
import { makeBoxToken, makeUserToken, parseBoxToken, parseUserToken } from '../../../launcher/contract/tokens.ts';
import { formatBytes, formatDuration, parseDurationMs } from '../../../launcher/contract/units.ts';

describe('notes on a copy', () => {
  it('come back as they were; any other comment is none', () => {
    const notes = { notes: [{ path: 'd/x', why: 'is a pipe: left out' }], count: 3, lost: 1 };
    expect(readNoteComment(noteComment(notes))).toEqual(notes);
    expect(['made by somebody', '{}', 'null', '{"notes":[],"count":-1,"lost":0}'].map(readNoteComment)).toEqual([null, null, null, null]);
  });
});

describe('durations', () => {
  it('are read and written the same way', () => {
    fc.assert(
      fc.property(fc.nat(999_999), (seconds) => {
        expect(parseDurationMs(formatDuration(seconds * 1000))).toBe(seconds * 1000);
      }),
    );
    expect(['90s', '1h30m', '7d', '5', '', 'm', '1.5h', '-1s', '1 h', '9'.repeat(25)].map(parseDurationMs)).toEqual([
      90_000,
      5_400_000,
      604_800_000,
      ...Array(7).fill(null),
    ]);
    expect(formatDuration(-5)).toBe('0s');
  });

  it('have a unit and a range', () => {
    const schema = durationSchema(1000, 60_000, '5s');
    const message = (text: unknown) => schema.safeParse(text).error?.issues[0]?.message;
    expect(schema.parse('5s')).toBe(5000);
    expect(message('5')).toBe('has no unit: write 5m or 5h (1s … 1m)');
    expect(message('soon')).toBe('is not a duration: write 30m or 2h (1s … 1m)');
    expect([message('0s'), message('2m')]).toEqual(['is out of range (1s … 1m)', 'is out of range (1s … 1m)']);
  });
});

it('bytes are for people', () => {
  expect([0, 1023, 1536, 193_273_528, 5e12, 9e15].map(formatBytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '184 MiB', '4.5 TiB', '8185 TiB']);
});

describe('ids', () => {
  it('sort by their time and tell it', () => {
    const random = new Uint8Array(16).fill(255);
    fc.assert(
      fc.property(fc.nat(2 ** 45), fc.nat(2 ** 45), (a, b) => {
        const [first, second] = [makeId('ses', a, random), makeId('ses', b, random)];
        expect(sessionIdSchema.safeParse(first).success).toBe(true);
        expect(idTimeMs(first)).toBe(a);
        expect(first < second).toBe(a < b);
      }),
    );
    expect(idTimeMs('snap_1')).toBeNull();
  });
});

describe('names and addresses', () => {
  const metacharacters = fc.string({
    unit: fc.constantFrom(...'abz09-_./\\$`\'"|&;<>(){}[]*?~#!%^= \n\t\0ä'),
    minLength: 1,
    maxLength: 12,
  });

  it('that are accepted have nothing that a shell, a path or an option could take for its own', () => {
    fc.assert(
      fc.property(metacharacters, (text) => {
        if (workspaceNameSchema.safeParse(text).success) expect(text).toMatch(/^[a-z0-9][a-z0-9-]*$/);
        if (gitRefSchema.safeParse(text).success) expect(text).toMatch(/^[\w][\w./-]*$/);
        if (gitUrlSchema.safeParse(`https://h/${text}`).success) expect(text).not.toMatch(/[\s\0]/);
      }),
    );
  });

  it.each(['https://github.com/a/b', 'http://h:8080/x.git', 'ssh://git@h/x', 'git@github.com:a/b.git'])('%s may be cloned', (url) => {
    expect(gitUrlSchema.safeParse(url).success).toBe(true);
  });
  it.each([
    'file:///etc',
    '/etc',
    'ext::sh',
    'https://',
    'https://u:p@h/x',
    'https://u@h/x',
    'ssh://u:p@h/x',
    'git@h:',
    '-oProxyCommand=x@h:x',
    'ssh://-oProxyCommand=x/y',
    'ssh://u@-oProxyCommand=x/y',
    'https://-h/x',
    'https://h/a b',
    'https://h/a\u0007',
    `https://h/${'x'.repeat(2000)}`,
  ])('%j may not', (url) => {
    expect(gitUrlSchema.safeParse(url).success).toBe(false);
  });

  it('of refs, folders and paths are checked', () => {
    expect(['main', 'v1.0', 'a/b'].every((ref) => gitRefSchema.safeParse(ref).success)).toBe(true);
    expect(['-x', '../x', 'a..b', '', 'a b'].some((ref) => gitRefSchema.safeParse(ref).success)).toBe(false);
    expect(filesQuerySchema.safeParse({ path: 'a\0' }).success).toBe(false);
    expect(execStartSchema.safeParse({ cwd: 'a\0' }).success).toBe(false);
    expect(execStartSchema.parse({ cwd: 'a' })).toEqual({ argv: [], cwd: 'a', env: {} });
    expect(() => assertRelativePath('a/b..c/d')).not.toThrow();
    for (const path of ['/a', '../a', 'a/../b', 'a\0b']) expect(() => assertRelativePath(path)).toThrow('leaves its folder');
  });

  it('are looked at in linear time', () => {
    const long = 'a'.repeat(50_000);
    for (const schema of [workspaceNameSchema, gitUrlSchema, gitRefSchema, sessionIdSchema])
      for (const text of [long, `${long}!`, `-${long}`, `https://${long}`, `${long}@${long}:`, `https://${long}@`, 'a-'.repeat(25_000)])
        schema.safeParse(text);
    for (const text of [long, `dvt_${long}`, `dvt_${long}.${long}.${long}`]) expect(parseUserToken(text) ?? parseBoxToken(text)).toBeNull();
    expect(parseDurationMs('1'.repeat(50_000))).toBeNull();
  });

  it('have defaults where they may be left out', () => {
    expect(createSessionSchema.parse({ workspace: 'a' })).toEqual({
      workspace: 'a',
      size: 'medium',
      network: true,
      persistent: false,
      secrets: [],
      awsCredentials: false,
    });
  });
});

describe('errors', () => {
  it('become problems and come back', () => {
    for (const code of ERROR_CODES) {
      const error = new DevctlError(code, 'what happened', { sessionId: 'ses_1', retryAfterS: 2, issues: [{ field: 'a', message: 'b' }] });
      const problem = problemSchema.parse(error.toProblem('req_1'));
      expect(problem).toMatchObject({ code, status: ERRORS[code].status, requestId: 'req_1', hint: ERRORS[code].hint });
      expect(DevctlError.fromProblem(problem)).toMatchObject({
        code,
        detail: 'what happened',
        extra: { sessionId: 'ses_1', retryAfterS: 2 },
      });
    }
    const plain = new DevctlError('timeout', 'late', { hint: 'wait', cause: 'x' });
    expect(plain.cause).toBe('x');
    expect(plain.toProblem()).not.toHaveProperty('requestId');
    expect(DevctlError.fromProblem(plain.toProblem()).extra).toEqual({ hint: 'wait' });
    expect([
      isDevctlError(plain),
      isDevctlError(plain, 'timeout'),
      isDevctlError(plain, 'internal'),
      isDevctlError(new Error('x')),
    ]).toEqual([true, true, false, false]);
  });
});

describe('tokens', () => {
  const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const owner = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._@:/+=,-]{0,199}$/);

  it('name their owner, and nothing else reads as one', () => {
    fc.assert(
      fc.property(owner, secret, (name, bytes) => {
        const id = `tok_${'0'.repeat(26)}`;
        const text = makeUserToken(name, id, bytes);
        expect(parseUserToken(text)).toEqual({ owner: name, id, secret: expect.stringMatching(/^[\w-]{43}$/) });
        expect(parseBoxToken(makeBoxToken(name, bytes))).toEqual({ owner: name });
        expect([parseBoxToken(text), parseUserToken(makeBoxToken(name, bytes))]).toEqual([null, null]);
      }),
    );
    expect(() => makeBoxToken('dev', new Uint8Array(31))).toThrow('32 bytes');
  });

  it('have one form: an owner that is written in another way is none', () => {
    const [, rest] = /^dvb_[^.]+(.*)$/.exec(makeBoxToken('dev', new Uint8Array(32))) ?? [];
    expect(parseBoxToken(`dvb_ZGV2${rest}`)).toEqual({ owner: 'dev' });
    for (const other of ['ZGV', 'ZGW', 'A', 'ZGV2ZZZZZ', '_w']) expect(parseBoxToken(`dvb_${other}${rest}`)?.owner).not.toBe('dev');
    expect(parseBoxToken(`dvb_A${rest}`)).toBeNull();
    const [, tail] = /^dvt_[^.]+(.*)$/.exec(makeUserToken('dev', `tok_${'0'.repeat(16)}`, new Uint8Array(32))) ?? [];
    expect(parseUserToken(`dvt_A${tail}`)).toBeNull();
  });
});

describe('phases', () => {
  it('go only along their edges, and end', () => {
    expect(PHASE_NAMES.filter(isFinal)).toEqual(['stopped', 'failed']);
    for (const from of PHASE_NAMES) {
      for (const to of PHASE_NAMES) expect(isLegal(from, to)).toBe(from === to || (PHASES[from].next as readonly string[]).includes(to));
      expect(reaches(from, 'stopped') || from === 'failed', from).toBe(true);
    }
  });
});

function reaches(from: keyof typeof PHASES, to: string, seen = new Set<string>()): boolean {
  if (from === to) return true;
  seen.add(from);
  return PHASES[from].next.some((next) => !seen.has(next) && reaches(next, to, seen));
}

describe('exec frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    const types = Object.values(FRAME);
    const frames = fc.array(fc.tuple(fc.constantFrom(...types), fc.uint8Array({ maxLength: 300 })), { maxLength: 20 });
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 20 }), (given, cuts) => {
        const bytes = Buffer.concat(given.map(([type, payload]) => encodeFrame(type, payload)));
        const reader = new FrameReader();
        const got: Array<[number, Uint8Array]> = [];
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const size = cuts[turn % cuts.length] as number;
          for (const { type, payload } of reader.push(bytes.subarray(at, at + size))) got.push([type, payload]);
          at += size;
        }
        expect(got.map(([type, payload]) => [type, [...payload]])).toEqual(given.map(([type, payload]) => [type, [...payload]]));
      }),
    );
    expect(decodeJson(new FrameReader().push(encodeJsonFrame(FRAME.exit, { code: 3 }))[0]?.payload ?? new Uint8Array(0))).toEqual({
      code: 3,
    });
    expect(encodeFrame(FRAME.stdinEnd)).toHaveLength(5);
  });

  it('of unknown type or too great a length are refused before they are waited for', () => {
    expect(() => new FrameReader().push(Uint8Array.from([99, 0, 0, 0, 0]))).toThrow('unknown frame type 99');
    const head = new Uint8Array(5);
    head[0] = FRAME.stdout;
    new DataView(head.buffer).setUint32(1, FRAME_PAYLOAD_MAX_BYTES + 1);
    expect(() => new FrameReader().push(head)).toThrow('is over');
  });
});

describe('operations', () => {
  it('have one path and method each, and parameters that their path has', () => {
    const all = Object.entries(OPERATIONS);
    expect(new Set(all.map(([, { method, path }]) => `${method} ${path}`)).size).toBe(all.length);
    for (const [id, operation] of all) {
      const inPath = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect('params' in operation ? Object.keys(operation.params.shape) : [], id).toEqual(inPath);
      if (
        operation.method === 'POST' &&
        operation.scope === 'write' &&
        'body' in operation &&
        operation.status === 201 &&
        id !== 'createToken'
      )
        expect(operation, id).toHaveProperty('idempotent', true);
    }
  });
});
