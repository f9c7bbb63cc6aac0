import { writeFileSync } from 'node:fs';
import { agentSection } from './agent.ts';
import { apiSection } from './api.ts';
import { boxSection } from './box.ts';
import { cliSection } from './cli.ts';
import type { Context } from './context.ts';
import { ec2Section } from './ec2.ts';
import { findEngine } from './engine.ts';
import { assertGoingOn, watchSignals } from './interruption.ts';
import { lambdaSection } from './lambda.ts';
import { startBenchLauncher } from './launcher.ts';
import type { Section } from './measure.ts';
import { type Options, readOptions, type Suite } from './options.ts';
import { machineClass, sectionText } from './report.ts';
import { treesSection } from './trees.ts';

const PARTS: Readonly<Record<Suite, (context: Context) => Promise<Section>>> = {
  box: boxSection,
  agent: agentSection,
  cli: cliSection,
  api: apiSection,
  trees: treesSection,
  ec2: ec2Section,
  lambda: lambdaSection,
};

/** Measures what was asked for and prints it part by part. Nothing here judges a figure. */
async function main(options: Options): Promise<void> {
  const root = process.cwd();
  const engine = await findEngine(root, options.engine);
  const sections: Section[] = [];
  try {
    console.log(`# Bench\n\n${machineClass()}${options.quick ? ' · quick: too few rounds to compare anything' : ''}\n`);
    for (const suite of options.suites) {
      assertGoingOn();
      const launcher = await startBenchLauncher(root);
      try {
        const section = await PARTS[suite]({ root, launcher, engine, quick: options.quick });
        sections.push(section);
        console.log(`${sectionText(section)}\n`);
      } finally {
        await launcher.stop();
      }
    }
  } finally {
    if (typeof engine !== 'string') await engine.stop();
  }
  const missing = sections.reduce((sum, section) => sum + section.missing.length, 0);
  console.log(`${sections.reduce((sum, { rows }) => sum + rows.length, 0)} measured, ${missing} not measured here`);
  if (options.json !== null)
    writeFileSync(options.json, `${JSON.stringify({ machine: machineClass(), at: new Date().toISOString(), sections }, null, 2)}\n`);
}

async function start(): Promise<void> {
  watchSignals();
  // Node reads these certificates each time that it starts, which would hide what is measured under what is not ours.
  delete process.env['NODE_EXTRA_CA_CERTS'];
  try {
    await main(readOptions(process.argv.slice(2)));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode ||= 1;
  }
}

void start();
