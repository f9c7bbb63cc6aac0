import type { Check } from './api.ts';

/** Findings of `doctor`. Each that is not good says what mends it: a command where there is one. */
export const good = (name: string, detail: string): Check => ({ name, ok: true, level: 'ok', detail, fix: null });
/** It works, and could be better. */
export const warn = (name: string, detail: string, fix: string): Check => ({ name, ok: true, level: 'warn', detail, fix });
export const bad = (name: string, detail: string, fix: string): Check => ({ name, ok: false, level: 'error', detail, fix });
