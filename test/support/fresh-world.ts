import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type Database, openDatabase } from './table.ts';
import { Users } from './users.ts';
import { World, type WorldOptions } from './world.ts';

export let database: Database;
export let world: World;
export let users: Users;

/** For a whole test file: one database, and in it a new world with its users for each test. */
export function eachInAFreshWorld(options: WorldOptions = {}): void {
  beforeAll(async () => {
    database = await openDatabase();
  });
  afterAll(() => database.close());
  beforeEach(() => openFreshWorld(options));
}

/** Another new world in the middle of a test. */
export async function openFreshWorld(options: WorldOptions = {}): Promise<void> {
  world = await World.open(database, options);
  users = new Users(world);
}

/** A ready session with these files written in its box. @returns its id */
export async function upWith(name: string, files: Record<string, string>, target = world, actor = users): Promise<string> {
  const id = await actor.up(name);
  await target.settle();
  for (const [path, text] of Object.entries(files)) await actor.write(id, path, text);
  return id;
}

export async function downAndSettle(id: string): Promise<void> {
  await users.down(id);
  await world.settle({ until: (sessions) => !sessions.some((session) => session.id === id) });
}
