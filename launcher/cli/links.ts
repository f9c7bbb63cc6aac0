/**
 * Whether a link that lies `depth` folders down stays within. Only `..` at its beginning can be judged by its text: after a
 * name that is itself a link it may lead anywhere.
 */
export function linkStaysWithin(target: string, depth: number): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const ups = parts.findIndex((part) => part !== '..');
  const leading = ups < 0 ? parts.length : ups;
  return leading <= depth && !parts.slice(leading).includes('..');
}
