/** A certificate of our own for the loopback address, made anew each time: nobody trusts it but who is told to. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findOpenssl } from "./binaries.ts";

const run = promisify(execFile);

export const KEY_FILE = "server.key";
export const CERTIFICATE_FILE = "server.crt";

/** Older ones of openssl and LibreSSL take extensions only from a file. */
const REQUEST = `
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = localhost
[extensions]
subjectAltName = IP:127.0.0.1, DNS:localhost
basicConstraints = critical, CA:true
`;

/** Writes key and certificate into the folder. */
export async function makeCertificate(folder: string): Promise<void> {
  const { path, env } = await findOpenssl();
  const config = join(folder, "certificate.cnf");
  await writeFile(config, REQUEST);
  const files = [
    "-config",
    config,
    "-keyout",
    join(folder, KEY_FILE),
    "-out",
    join(folder, CERTIFICATE_FILE),
  ];
  await run(path, ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...files], {
    env: { ...process.env, ...env },
  });
}

/** Key and certificate as clients take them for `tls: { key, cert, ca }`. */
export async function readCertificate(folder: string): Promise<{ key: string; certificate: string }> {
  const [key, certificate] = await Promise.all(
    [KEY_FILE, CERTIFICATE_FILE].map((name) => readFile(join(folder, name), "utf8")),
  );
  return { key: key as string, certificate: certificate as string };
}
