/** Programs that build images, by themselves or as a word of a client. */
const CLIENTS = new Set(['docker', 'docker-buildx', 'docker-compose', 'buildctl', 'podman']);
const BUILDERS = new Set(['buildah', 'kaniko']);
const BUILD_WORDS = new Set(['build', 'bake']);
/** After these come words of somebody else. */
const OTHER_WORDS = new Set(['run', 'exec']);
/** Options with their values, and groups of commands, may come before what a client is to do. */
const WORDS_MAX = 8;
/** The folder in which BuildKit keeps the step that it runs. */
const STEP = '/buildkit/executor/';

/** What a process builds an image with, in words: as a client that waits for its build, or as a step that BuildKit runs for whomever. */
export function buildOf(cmdline: readonly string[]): string | null {
  const program = (cmdline[0] ?? '').split('/').pop() ?? '';
  if (BUILDERS.has(program)) return program;
  if (!CLIENTS.has(program)) return cmdline.some((word) => word.includes(STEP)) ? 'a step of BuildKit' : null;
  const word = cmdline.slice(1, WORDS_MAX).find((item) => BUILD_WORDS.has(item) || OTHER_WORDS.has(item));
  // What else there is among the arguments may be secret.
  return word !== undefined && BUILD_WORDS.has(word) ? `${program} ${word}` : null;
}
