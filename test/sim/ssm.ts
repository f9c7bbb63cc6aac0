import type {
  GetCommandInvocationRequest,
  GetCommandInvocationResult,
  GetConnectionStatusRequest,
  GetConnectionStatusResponse,
  GetParameterRequest,
  GetParameterResult,
  SendCommandRequest,
  SendCommandResult,
  StartSessionRequest,
  StartSessionResponse,
  TerminateSessionRequest,
  TerminateSessionResponse,
} from '@aws-sdk/client-ssm';
import type { Cloud } from './cloud.ts';
import { refusal, required } from './errors.ts';
import type { SimInstance } from './model.ts';

interface Invocation {
  id: string;
  instanceId: string;
  status: 'Pending' | 'Success' | 'Failed' | 'Undeliverable';
  output: string;
}

/**
 * Systems Manager, as far as devctl uses it. Its agent comes online long after the instance runs; a command has no token,
 * may be answered late, and runs twice when it is sent twice.
 */
export class Ssm {
  readonly #cloud: Cloud;
  readonly #invocations = new Map<string, Invocation>();
  readonly #onlineAtMs = new Map<string, number>();
  readonly #sessions = new Set<string>();

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  sendCommand(input: SendCommandRequest): SendCommandResult {
    const instanceId = required(input.InstanceIds?.[0], 'InstanceIds');
    if (!this.#isOnline(instanceId)) throw refusal('InvalidInstanceId', `Instances [[${instanceId}]] not in a valid state for account`);
    const invocation: Invocation = { id: this.#cloud.id('command'), instanceId, status: 'Pending', output: '' };
    this.#invocations.set(invocation.id, invocation);
    const { DocumentName: document = '', Parameters: parameters = {} } = input;
    this.#cloud.after('mutate', () => this.#invoke(invocation, document, parameters));
    return { Command: { CommandId: invocation.id, DocumentName: document, Status: 'Pending', InstanceIds: [instanceId] } };
  }

  getCommandInvocation(input: GetCommandInvocationRequest): GetCommandInvocationResult {
    const invocation = this.#invocations.get(input.CommandId ?? '');
    if (invocation?.instanceId !== input.InstanceId || invocation === undefined)
      throw refusal('InvocationDoesNotExist', 'The command ID and managed node ID you specified did not match any invocations.');
    const { status } = invocation;
    const failed = status === 'Failed' || status === 'Undeliverable';
    return {
      CommandId: invocation.id,
      InstanceId: invocation.instanceId,
      Status: status === 'Undeliverable' ? 'Failed' : status,
      StatusDetails: status,
      ResponseCode: status === 'Success' ? 0 : failed ? 1 : -1,
      StandardOutputContent: invocation.output,
      StandardErrorContent: '',
    };
  }

  startSession(input: StartSessionRequest): StartSessionResponse {
    const target = required(input.Target, 'Target');
    if (!this.#isOnline(target)) throw refusal('TargetNotConnected', `${target} is not connected.`);
    const id = this.#cloud.id('session');
    this.#sessions.add(id);
    return { SessionId: id, TokenValue: `token-of-${id}`, StreamUrl: `wss://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/${id}` };
  }

  terminateSession(input: TerminateSessionRequest): TerminateSessionResponse {
    this.#sessions.delete(input.SessionId ?? '');
    return { SessionId: input.SessionId };
  }

  getConnectionStatus(input: GetConnectionStatusRequest): GetConnectionStatusResponse {
    const target = required(input.Target, 'Target');
    return { Target: target, Status: this.#isOnline(target) ? 'connected' : 'notconnected' };
  }

  getParameter(input: GetParameterRequest): GetParameterResult {
    const value = this.#cloud.catalog.parameters.get(input.Name ?? '');
    if (value === undefined) throw refusal('ParameterNotFound', `Parameter ${input.Name} not found.`);
    return { Parameter: { Name: input.Name, Type: 'String', Value: value, Version: 1 } };
  }

  #isOnline(id: string): boolean {
    const instance = this.#cloud.instances.get(id);
    if (instance?.state !== 'running' || !instance.power?.machine) return false;
    return this.#cloud.clock.now() >= this.#online(instance);
  }

  /** Decided once for each time that the instance has power. */
  #online({ id, turn, launchedAtMs }: SimInstance): number {
    const key = `${id} ${turn}`;
    const known = this.#onlineAtMs.get(key);
    if (known !== undefined) return known;
    const atMs = launchedAtMs + this.#cloud.took('ssmOnline');
    this.#onlineAtMs.set(key, atMs);
    return atMs;
  }

  #invoke(invocation: Invocation, document: string, parameters: Record<string, string[]>): void {
    const machine = this.#cloud.instances.get(invocation.instanceId)?.power?.machine;
    if (!machine?.command) {
      invocation.status = 'Undeliverable';
      return;
    }
    try {
      invocation.output = machine.command(document, parameters);
      invocation.status = 'Success';
    } catch (error) {
      invocation.output = String(error);
      invocation.status = 'Failed';
    }
  }
}
