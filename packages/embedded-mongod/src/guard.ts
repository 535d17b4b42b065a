/**
 * Runs a program in its own session, behind a small shell that ends it when we are gone.
 *
 * Own session: a terminal's Ctrl-C must reach only our server, which drains first and stops MongoDB last.
 * Shell: after a `kill -9` nobody could stop MongoDB any more. The shell reads a pipe whose only writer is this
 * process; however we end, the kernel closes the pipe, and the shell shuts the program down in order.
 */
import { spawn } from 'node:child_process';

/** Longer than an orderly shutdown of a database of this size needs, short enough not to block a next start. */
const TERM_GRACE_SECONDS = 10;

// `exec 3<&0`: a shell gives its background jobs /dev/null as input, so the pipe is kept as descriptor 3.
// `read` is a builtin: the watcher is one process and dies whole when the program has ended by itself.
const GUARD_SCRIPT = `
exec 3<&0 </dev/null
"$@" 3<&- >&2 &
program=$!
echo "$program"
exec >&-
{
  read -r _ <&3
  kill -TERM "$program"
  tenths=0
  while kill -0 "$program"; do
    [ "$tenths" -lt ${TERM_GRACE_SECONDS * 10} ] || kill -KILL "$program"
    sleep 0.1
    tenths=$((tenths + 1))
  done
} 2>/dev/null &
watcher=$!
exec 3<&-
wait "$program"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`;

export interface GuardedExit {
  /** The program's own exit code; 128 + n when signal n ended it; null when the guard itself was killed. */
  code: number | null;
}

export interface GuardedProcess {
  pid: number;
  exited: Promise<GuardedExit>;
  /** Ends the program in order (SIGTERM, SIGKILL after ten seconds). May be called again; `exited` tells when. */
  end(): void;
}

/**
 * @param command the program and its arguments
 * @param outputFd descriptor that takes the program's standard output and error
 * @throws when no shell can be started or the shell does not report the program's pid
 */
export async function spawnGuarded(command: string[], outputFd: number): Promise<GuardedProcess> {
  const guard = spawn('/bin/sh', ['-c', GUARD_SCRIPT, 'mongod-guard', ...command], {
    detached: true,
    stdio: ['pipe', 'pipe', outputFd],
  });
  const { stdin, stdout } = guard;
  if (!stdin || !stdout) throw new Error('the guard was started without its pipes');
  // Writing never happens, but a guard that dies first would otherwise raise EPIPE on the closing of the pipe.
  stdin.on('error', () => {});

  const exited = new Promise<GuardedExit>((resolve, reject) => {
    guard.once('error', reject);
    guard.once('exit', (code) => {
      // Someone may have killed the shell alone: its watcher still reads the pipe and ends the program.
      stdin.destroy();
      resolve({ code });
    });
  });
  const reported = new Promise<number>((resolve) => {
    stdout.once('data', (chunk: Buffer) => resolve(Number.parseInt(chunk.toString(), 10)));
    stdout.once('close', () => resolve(Number.NaN));
  });
  // The exit may be noticed before the last output is read, so only the output decides. No shell at all rejects.
  const pid = await Promise.race([reported, exited.then(() => reported)]);
  if (!Number.isInteger(pid)) throw new Error('the guard process ended before it had started the program');

  // A server that ends without calling end() must not be held open by its own database.
  stdout.destroy();
  guard.unref();
  unrefPipe(stdin);

  return {
    pid,
    exited,
    end() {
      guard.ref();
      stdin.end();
    },
  };
}

/** Child pipes are sockets at run time; their declared type (Writable) hides unref. */
function unrefPipe(pipe: { unref?: () => void } | object): void {
  if ('unref' in pipe) pipe.unref?.();
}
