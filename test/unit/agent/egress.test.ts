import { describe, expect, it } from 'vitest';
import { isAllowed } from '../../../agent-bootstrap/ec2/egress-proxy.ts';

const LIST = ['github.com', '*.example.net', 'odd.example.org:8443'];

describe('a host of the list', () => {
  it.each([
    ['github.com', 443],
    ['github.com', 80],
    ['GitHub.com', 443],
    ['github.com.', 443],
    ['packages.example.net', 443],
    ['a.b.example.net', 443],
    ['odd.example.org', 8443],
  ])('may be reached as %s:%i', (host, port) => {
    expect(isAllowed(LIST, host, port)).toBe(true);
  });

  it.each([
    ['example.net', 443],
    ['evilexample.net', 443],
    ['.example.net', 443],
    ['github.com.evil.org', 443],
    ['evil-github.com', 443],
    ['github.com', 22],
    ['odd.example.org', 443],
    ['user@github.com', 443],
    ['github.com#evil.org', 443],
    ['github.com%00.evil.org', 443],
    ['github.com ', 443],
    ['140.82.112.3', 443],
    ['0x8c.0x52.0x70.0x3', 443],
    ['2354213891', 443],
    ['[::1]', 443],
    ['', 443],
    ['*.example.net', 443],
    ['gıthub.com', 443],
  ])('is not what %j:%i names', (host, port) => {
    expect(isAllowed(LIST, host, port)).toBe(false);
  });
});
