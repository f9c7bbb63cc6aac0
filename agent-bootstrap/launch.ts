import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BoxConfig, BoxUser } from '../launcher/contract/agent-config.ts';
import { workloadLeaf } from './cgroup.ts';
import { findCommand } from './find-command.ts';

const PERL = '/usr/bin/perl';
/**
 * Becomes the user, and then the command. Everything that the workload has a say in is looked at by the user alone: the environment
 * (LD_PRELOAD makes a program of root do anything) comes as a file of this machine's memory and is taken on last, the folder is entered
 * and the command is looked for as the user. Perl's base is part of every Debian system, and starts in less time than a shell with setpriv.
 */
const BECOME = `
my ($vars, $cgroup, $uid, $gid, $groups, $keep, $dir, @argv) = @ARGV;
sub refuse { my ($code, $why) = @_; print STDERR "devctl: $why\\n"; exit $code }
open(my $in, '<', $vars) or refuse(126, "the environment of the command has gone: $!");
unlink $vars;
my $text = do { local $/; <$in> };
close $in;
if ($cgroup ne '') {
  open(my $procs, '>', "$cgroup/cgroup.procs") or refuse(126, "the cgroup of the workload: $!");
  defined syswrite($procs, '0') or refuse(126, "the cgroup of the workload: $!");
  close $procs;
}
if (opendir(my $open, '/proc/self/fd')) {
  my @numbers = grep { /^\\d+$/ && $_ > $keep } readdir $open;
  closedir $open;
  for my $number (@numbers) { if (open(my $inherited, '<&=', $number)) { close $inherited } }
}
if (open(my $oom, '>', '/proc/self/oom_score_adj')) { syswrite($oom, '0'); close $oom }
setpriority(0, 0, 0);
umask 022;
($(, $)) = ($gid, "$gid $groups");
($<, $>) = ($uid, $uid);
refuse(126, "could not become user $uid") if $< != $uid || $> != $uid || $( !~ /^$gid( |$)/ || $) !~ /^$gid( |$)/;
chdir $dir or refuse(126, "$dir: $!");
%ENV = map { split /=/, $_, 2 } split /\\0/, ($text // '');
exec { $argv[0] } @argv;
refuse(127, "$argv[0]: command not found") if $! == 2;
refuse(126, "$argv[0]: cannot be executed");
`;

/** How a program is started: for `spawn`, and for a terminal. */
export interface Launch {
  file: string;
  args: string[];
  argv0?: string;
  cwd: string;
  env: Record<string, string>;
}

interface Wanted {
  cwd: string;
  /** The whole environment. */
  env: Record<string, string>;
  /** Number of the last descriptor that it inherits, where there are more than the usual ones. */
  lastFd?: number;
}

/** A command that is not there, in the words and codes of a shell. */
export interface NoCommand {
  code: 126 | 127;
  message: string;
}

/**
 * Starts the programs of the workload as who they are to be. A session that asks for root would be another launcher of the same shape:
 * in the cgroup, with the environment of the workload, and no change of user.
 */
export class Launcher {
  readonly user: BoxUser | null;
  readonly #folder: string;
  readonly #leaf: string;
  #groups: number[] | null = null;
  #count = 0;

  constructor({ user, cgroup, paths }: Pick<BoxConfig, 'user' | 'cgroup' | 'paths'>) {
    this.user = user;
    this.#folder = join(paths.run, 'agent', 'launch');
    this.#leaf = cgroup === undefined ? '' : workloadLeaf(cgroup);
    if (user === null) return;
    // Left by an agent that was killed.
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#folder)) rmSync(join(this.#folder, name));
  }

  /** For a command by its name: looked for as a shell would. */
  command([name, ...args]: [string, ...string[]], wanted: Wanted): Launch | NoCommand {
    if (this.user !== null) return this.#asUser(this.user, [name, ...args], wanted);
    const { cwd, env } = wanted;
    const found = findCommand(name, env['PATH'] ?? '', cwd);
    return 'code' in found ? found : { file: found.file, args, argv0: name, cwd, env };
  }

  /** For a program of the agent's own choice. */
  program([file, ...args]: [string, ...string[]], wanted: Wanted): Launch {
    if (this.user !== null) return this.#asUser(this.user, [file, ...args], wanted);
    return { file, args, cwd: wanted.cwd, env: wanted.env };
  }

  #asUser({ name, uid, gid }: BoxUser, argv: string[], { cwd, env, lastFd = 2 }: Wanted): Launch {
    this.#groups ??= groupsOf(readFileSync('/etc/group', 'utf8'), name, gid);
    this.#count += 1;
    const vars = join(this.#folder, String(this.#count));
    const text = Object.entries(env).map(([key, value]) => `${key}=${value.replaceAll('\0', '')}\0`);
    writeFileSync(vars, text.join(''), { flag: 'wx', mode: 0o600 });
    const args = ['-e', BECOME, '--', vars, this.#leaf, String(uid), String(gid), this.#groups.join(' '), String(lastFd), cwd, ...argv];
    return { file: PERL, args, cwd: '/', env: {} };
  }
}

/** All groups that a user is in, by the text of /etc/group. */
export function groupsOf(text: string, name: string, gid: number): number[] {
  const found = new Set([gid]);
  for (const line of text.split('\n')) {
    const [, , id, members = ''] = line.split(':');
    if (id !== undefined && /^\d+$/.test(id) && members.split(',').includes(name)) found.add(Number(id));
  }
  return [...found];
}
