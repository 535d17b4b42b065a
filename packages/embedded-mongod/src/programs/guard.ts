/**
 * Runs a program in its own session, behind a small shell that ends it when this process is gone.
 *
 * Own session: a terminal's Ctrl-C must reach only this process, which may drain first and stop its MongoDB last.
 * Shell: after a `kill -9` of this process nothing else could stop MongoDB. The shell reads a pipe whose only writer is
 * this process. However this process ends, the kernel closes the pipe, and the shell shuts the program down cleanly.
 */
import { spawn } from 'node:child_process';

/** Longer than a database of this size takes to shut down cleanly, and short enough not to block the next start. */
const TERM_GRACE_SECONDS = 10;

// `exec 3<&0`: a shell gives its background jobs /dev/null as input, so the pipe is kept as descriptor 3.
// `read` is a builtin, so the watcher is a single process, which one kill ends after the program has ended by itself.
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
  /** Ends the program (SIGTERM, SIGKILL after ten seconds). May be called again; await `exited` for the end. */
  end(): void;
}

/**
 * @param command the program and its arguments
 * @param outputFd descriptor for the program's standard output and error
 * @throws when no shell can be started or the shell does not report the program's pid
 */
export async function spawnGuarded(command: string[], outputFd: number): Promise<GuardedProcess> {
  const guard = spawn('/bin/sh', ['-c', GUARD_SCRIPT, 'program-guard', ...command], {
    detached: true,
    stdio: ['pipe', 'pipe', outputFd],
  });
  const { stdin, stdout } = guard;
  if (!stdin || !stdout) throw new Error('the guard process has no pipes');
  // Nothing is ever written, but closing the pipe of a guard that died first would raise EPIPE.
  stdin.on('error', () => {});

  const exited = new Promise<GuardedExit>((resolve, reject) => {
    guard.once('error', reject);
    guard.once('exit', (code) => {
      // If the shell alone was killed, its watcher still reads the pipe and ends the program.
      stdin.destroy();
      resolve({ code });
    });
  });
  const reported = new Promise<number>((resolve) => {
    stdout.once('data', (chunk: Buffer) => resolve(Number.parseInt(chunk.toString(), 10)));
    stdout.once('close', () => resolve(Number.NaN));
  });
  // The exit may be noticed before the last output is read, so the output decides. A missing shell rejects.
  const pid = await Promise.race([reported, exited.then(() => reported)]);
  if (!Number.isInteger(pid)) throw new Error('the guard process ended before it started the program');

  // A process that ends without calling end() must not be kept alive by its own database.
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

/** A child's pipes are sockets at run time, but their declared type (Writable) has no unref. */
function unrefPipe(pipe: { unref?: () => void } | object): void {
  if ('unref' in pipe) pipe.unref?.();
}
