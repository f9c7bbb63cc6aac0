import * as z from 'zod';

/** Most notes that a copy carries; of the others only their number is told. */
export const COPY_NOTES_MAX = 100;
const TEXT_MAX = 5_000;

/**
 * What a copy out of a box could not take along as it is. It comes at the end of the tar stream, as the comment (a record of
 * a pax header) of a last entry that repeats the copied folder: every program that reads tar takes it for nothing else.
 */
const copyNotesSchema = z.object({
  notes: z.array(z.object({ path: z.string().max(TEXT_MAX), why: z.string().max(TEXT_MAX) })).max(COPY_NOTES_MAX),
  /** How many there are; more than are named. */
  count: z.int().min(0),
  /** How many of them are content that is missing in the copy, rather than something that no archive holds. */
  lost: z.int().min(0),
});
export type CopyNotes = z.infer<typeof copyNotesSchema>;

export const noteComment = (notes: CopyNotes): string => JSON.stringify(notes);

/** The notes in the comment of an entry; null when it is another comment. */
export function readNoteComment(comment: string): CopyNotes | null {
  try {
    return copyNotesSchema.safeParse(JSON.parse(comment)).data ?? null;
  } catch {
    // Not JSON: somebody's own words.
    return null;
  }
}
