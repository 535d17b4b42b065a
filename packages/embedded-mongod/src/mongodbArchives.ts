/**
 * Which of MongoDB's own archives fits this machine. MongoDB publishes one for each distribution it supports; relatives
 * of those run them too.
 */
import { readFile } from 'node:fs/promises';

export const MONGODB_VERSION = '7.0.18';
const SITE = 'https://fastdl.mongodb.org';

/** As in the names of the archives. */
const PROCESSORS: Partial<Record<NodeJS.Architecture, { linux: string; macos: string }>> = {
  x64: { linux: 'x86_64', macos: 'x86_64' },
  arm64: { linux: 'aarch64', macos: 'arm64' },
};

/** By the `ID` of /etc/os-release: from which version of the distribution on a build runs, newest first. */
const LINUX_BUILDS: Record<string, readonly (readonly [minVersion: number, build: string])[]> = {
  ubuntu: [
    [22, 'ubuntu2204'],
    [20, 'ubuntu2004'],
  ],
  debian: [
    [12, 'debian12'],
    [11, 'debian11'],
  ],
  rhel: [
    [9, 'rhel90'],
    [8, 'rhel8'],
  ],
  fedora: [[34, 'rhel90']],
  amzn: [
    [2023, 'amazon2023'],
    [2, 'amazon2'],
  ],
  suse: [[15, 'suse15']],
  // Arch has no versions; it is always newer than this build needs.
  arch: [[0, 'ubuntu2204']],
};
/** MongoDB publishes no build for Debian on arm64. Ubuntu's of the same age use the same C library and OpenSSL. */
const DEBIAN_ON_ARM64: Record<string, string> = { debian12: 'ubuntu2204', debian11: 'ubuntu2004' };

export interface Machine {
  platform: NodeJS.Platform;
  arch: NodeJS.Architecture;
  /** The text of /etc/os-release; empty on other systems than Linux. */
  osRelease: string;
}

export async function thisMachine(): Promise<Machine> {
  const { platform, arch } = process;
  return { platform, arch, osRelease: await readFile('/etc/os-release', 'utf8').catch(() => '') };
}

/**
 * @param mirror another host with the same paths
 * @throws when MongoDB publishes nothing for the machine
 */
export function archiveUrl({ platform, arch, osRelease }: Machine, mirror = SITE): string {
  const processor = PROCESSORS[arch];
  if (processor && platform === 'darwin') {
    return `${mirror}/osx/mongodb-macos-${processor.macos}-${MONGODB_VERSION}.tgz`;
  }
  const build = platform === 'linux' ? linuxBuild(osRelease, arch) : undefined;
  if (processor && build) {
    return `${mirror}/linux/mongodb-linux-${processor.linux}-${build}-${MONGODB_VERSION}.tgz`;
  }
  const system = platform === 'linux' ? setting(osRelease, 'PRETTY_NAME') || 'this Linux' : platform;
  throw new Error(`MongoDB publishes no build for ${system} on ${arch}`);
}

function linuxBuild(osRelease: string, arch: NodeJS.Architecture): string | undefined {
  const id = setting(osRelease, 'ID');
  const own = LINUX_BUILDS[id];
  // A derivative counts its versions its own way (Linux Mint 21 is Ubuntu 22.04), and is assumed to be recent.
  // Rebuilds of Red Hat Enterprise Linux are the exception: they keep its numbers.
  const parents = setting(osRelease, 'ID_LIKE').split(' ');
  const parent = parents.includes('rhel') ? 'rhel' : parents.find((like) => like in LINUX_BUILDS);
  const builds = own ?? LINUX_BUILDS[parent ?? ''] ?? [];
  const version = Number.parseInt(setting(osRelease, 'VERSION_ID'), 10);
  const counted = own !== undefined || parent === 'rhel' || parent === 'suse';
  const [, build] =
    builds.find(([minVersion]) => !counted || minVersion === 0 || version >= minVersion) ?? [];
  return arch === 'arm64' ? (DEBIAN_ON_ARM64[build ?? ''] ?? build) : build;
}

/** @returns the value of a setting of os-release, without its quotes; empty when it is not there */
function setting(osRelease: string, name: string): string {
  const [, value = ''] = new RegExp(`^${name}=(.*)$`, 'm').exec(osRelease) ?? [];
  return value.trim().replace(/^(["'])(.*)\1$/, '$2');
}
