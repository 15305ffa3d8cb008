/** An etcd cluster as a URL. Nothing here repeats the URL: it may carry a password. */
import { invalidArgument } from "@lease/core/backend";

/** What a URL says, as options of the backend. */
interface UrlOptions {
  readonly hosts: readonly string[];
  readonly namespace?: string;
  readonly auth?: { readonly username: string; readonly password: string };
}

/** The port that etcd listens on by default. */
const PORT = 2379;

/**
 * Takes `etcd://user:password@host-1:2379,host-2:2379/namespace` apart; `etcds://` for TLS. The URL parser knows no
 * lists of hosts.
 *
 * @throws `INVALID_ARGUMENT`, naming `url`
 */
export function parseUrl(url: string): UrlOptions {
  const [, scheme, user, password, list, namespace] =
    /^(etcds?):\/\/(?:([^:@/]*):([^@/]*)@)?([^@/?#]+)(?:\/([^/?#]*))?$/i.exec(url) ?? [];
  if (scheme === undefined || list === undefined) {
    throw invalidArgument("url", 'must be like "etcd://host-1:2379,host-2:2379/namespace"');
  }
  const protocol = scheme.toLowerCase() === "etcds" ? "https://" : "";
  return {
    hosts: list.split(",").map((host) => `${protocol}${withPort(host)}`),
    ...(namespace ? { namespace: decoded(namespace) } : {}),
    ...(user === undefined ? {} : { auth: { username: decoded(user), password: decoded(password ?? "") } }),
  };
}

/** `[::1]` is a host, and its colons are not those before a port. */
function withPort(host: string): string {
  if (!/^(?:\[[\da-f:.]+\]|[^:[\]\s]+)(?::\d{1,5})?$/i.test(host))
    throw invalidArgument("url", "contains an invalid host name");
  return /:\d+$/.test(host) && !host.endsWith("]") ? host : `${host}:${PORT}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidArgument(
      "url",
      "has a % that is not followed by two hexadecimal digits: write %25 for a percent sign",
    );
  }
}
