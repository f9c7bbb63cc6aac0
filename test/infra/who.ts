/** The account of every test here. */
export const ACCOUNT = '123456789012';

const idOf = (name: string): string =>
  name
    .replaceAll(/[^A-Za-z0-9]/g, '')
    .toUpperCase()
    .padEnd(17, 'X')
    .slice(0, 17);
/** As AWS would call them: what `aws:userid` has. */
export const userIdOf = (name: string): string => `AIDA${idOf(name)}`;
export const roleIdOf = (name: string): string => `AROA${idOf(name)}`;
