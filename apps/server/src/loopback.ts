/** Names and addresses that never leave this machine. */
import { BlockList, isIP } from "node:net";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addAddress("::1", "ipv6");

/** @param host - as in an address bar, without a port: a name, an IPv4 or IPv6 address, the latter also in brackets */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, "$1");
  const version = isIP(address);
  return version === 0
    ? address.toLowerCase() === "localhost"
    : loopback.check(address, version === 6 ? "ipv6" : "ipv4");
}
