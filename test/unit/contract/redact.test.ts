import { describe, expect, it } from 'vitest';
import { REDACTED, redactSecrets } from '../../../launcher/contract/redact.ts';

describe('text without secrets', () => {
  it.each([
    ['token dvt_ZGV2.tok_01k2.abc-DEF_1', `token dvt_${REDACTED}`],
    ['token=dvt_ZGV2.tok_01k2.abc-DEF_1', `token=dvt_${REDACTED}`],
    ['Authorization: Bearer abc.def', `Authorization: Bearer ${REDACTED}`],
    ['authorization: abc.def', `authorization: ${REDACTED}`],
    ['Set-Cookie: sid=abc', `Set-Cookie: ${REDACTED}`],
    ['"password": "hunter2", "x": 1', `"password": "${REDACTED}", "x": 1`],
    ['DB_PASSWORD=hunter2 DB_HOST=x', `DB_PASSWORD=${REDACTED} DB_HOST=x`],
    ['{"clientSecretValue":"hunter2"}', `{"clientSecretValue":"${REDACTED}"}`],
    ['https://me:pw@host/x', `https://${REDACTED}@host/x`],
    ['AWS_SECRET_ACCESS_KEY=abc/def+1', `AWS_SECRET_ACCESS_KEY=${REDACTED}`],
    ['key AKIAIOSFODNN7EXAMPLE', `key ${REDACTED}`],
    ['ghp_0123456789abcdefABCDEF', REDACTED],
    ['npm_0123456789abcdefABCDEF', REDACTED],
    ['sk_live_0123456789abcdef', REDACTED],
    [Buffer.from('user:ghp_0123456789abcdefABCDEF').toString('base64'), REDACTED],
    ['q=%22ghp_0123456789abcdefABCDEF%22', `q=${REDACTED}`],
    ['nothing to hide: 42', 'nothing to hide: 42'],
    ['the key: of it all', 'the key: of it all'],
    ['100 %41 sure', '100 %41 sure'],
  ])('%s', (text, clean) => {
    expect(redactSecrets(text)).toBe(clean);
  });

  it('is made once: another time changes nothing', () => {
    for (const text of ['password=hunter2', 'Authorization: Basic aHVudGVyMg==', 'token: dvt_ZGV2.tok_01k2.abc-DEF_1'])
      expect(redactSecrets(redactSecrets(text))).toBe(redactSecrets(text));
  });
});
