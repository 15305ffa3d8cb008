/** etcd behind a password, and behind TLS. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { promisify } from "node:util";
import { startEtcd } from "@lease/test-servers";
import { noop } from "cockatiel";
import { Etcd3 } from "etcd3";
import { expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import { hold, plainClient, release, renew, request, until, watchers } from "./helpers.js";

const run = promisify(execFile);

test("with user and password it works, for a role that may use no more than the namespace; without, it is refused", async () => {
  const etcd = await startEtcd();
  const root = plainClient(etcd.endpoints);
  try {
    await root.auth.userAdd({ name: "root", password: "secret" });
    await root.auth.roleAdd({ name: "root" });
    await root.auth.userGrantRole({ user: "root", role: "root" });
    await root.auth.userAdd({ name: "agents", password: "pw" });
    await root.auth.roleAdd({ name: "leases" });
    const perm = {
      permType: "Readwrite",
      key: Buffer.from("team\0"),
      range_end: Buffer.from("team\x01"),
    } as const;
    await root.auth.roleGrantPermission({ name: "leases", perm });
    await root.auth.userGrantRole({ user: "agents", role: "leases" });
    await root.auth.authEnable();

    const backend = etcdBackend({ url: `etcd://agents:pw@${etcd.endpoints[0]}/team` });
    const lease = await hold(backend, "r");
    expect((await renew(backend, lease)).status).toBe("renewed");
    expect((await backend.acquire(request("r", { wait: "queue" }))).status).toBe("refused");
    expect(await release(backend, lease)).toBe("released");
    const events = [];
    for await (const event of backend.changes({})) events.push(event.type);
    expect(events).toEqual(["acquired", "queued", "released"]);
    await backend.close();

    for (const options of [
      { url: `etcd://${etcd.endpoints[0]}/team` },
      { url: `etcd://agents:wrong@${etcd.endpoints[0]}/team` },
      { url: `etcd://agents:pw@${etcd.endpoints[0]}/other` },
    ]) {
      const stranger = etcdBackend(options);
      await expect(stranger.acquire(request("r"))).rejects.toMatchObject({ code: "BACKEND_INCOMPATIBLE" });
      await stranger.close();
    }
  } finally {
    root.close();
    await etcd.stop();
  }
});

test("a token that etcd forgot: watches go on with a new one; who may not watch any more is told so", async () => {
  const etcd = await startEtcd();
  const root = plainClient(etcd.endpoints);
  try {
    for (const name of ["root", "agents"]) await root.auth.userAdd({ name, password: "pw" });
    for (const name of ["root", "leases"]) await root.auth.roleAdd({ name });
    await root.auth.userGrantRole({ user: "root", role: "root" });
    const range = { key: Buffer.from("lease\0"), range_end: Buffer.from("lease\x01") };
    await root.auth.roleGrantPermission({ name: "leases", perm: { permType: "Readwrite", ...range } });
    await root.auth.userGrantRole({ user: "agents", role: "leases" });
    await root.auth.authEnable();

    const admin = new Etcd3({
      hosts: [...etcd.endpoints],
      auth: { username: "root", password: "pw" },
      faultHandling: { host: () => noop, global: noop },
    });
    const backend = etcdBackend({ url: `etcd://agents:pw@${etcd.endpoints[0]}` });
    const feed = backend.changes({ after: "end", follow: true })[Symbol.asyncIterator]();
    const seen = [feed.next(), feed.next(), feed.next()];
    await until(async () => ((await watchers(etcd)) === 1 ? true : undefined));
    // etcd forgets the tokens of a user whose roles change; the stream of the feed has such a one.
    await admin.auth.userRevokeRole({ name: "agents", role: "leases" });
    await admin.auth.userGrantRole({ user: "agents", role: "leases" });
    const held = await hold(backend, "r");
    const asked = request("r", { agentId: "bob", wait: "queue" });
    await backend.acquire(asked);
    const turn = backend.turn({ id: asked.id, timeoutMs: 60_000 });
    await until(async () => ((await watchers(etcd)) === 3 ? true : undefined));
    await release(backend, held);
    await turn;
    expect((await Promise.all(seen)).map(({ value }) => value.type)).toEqual([
      "acquired",
      "queued",
      "released",
    ]);

    const last = request("r", { agentId: "carol", wait: "queue" });
    expect((await backend.acquire(asked)).status).toBe("granted");
    await backend.acquire(last);
    await admin.auth.userRevokeRole({ name: "agents", role: "leases" });
    await expect(backend.turn({ id: last.id, timeoutMs: 60_000 })).rejects.toMatchObject({
      code: "BACKEND_INCOMPATIBLE",
    });
    admin.close();
    await backend.close();
  } finally {
    root.close();
    await etcd.stop();
  }
});

test("over TLS it works with the authority's certificate, and not without", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lease-tls-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=lease-test", "-addext", "subjectAltName=IP:127.0.0.1"];
  await run("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "1",
    "-keyout",
    key,
    "-out",
    cert,
    ...subject,
  ]);
  const etcd = await startEtcd();
  const [host, port] = (etcd.endpoints[0] ?? "").split(":");
  // etcd speaks plainly behind it: what is tried here is this side of TLS.
  const pem = { key: readFileSync(key), cert: readFileSync(cert), ALPNProtocols: ["h2"] };
  const front = createServer(pem, (socket) => {
    const behind = connect(Number(port), host);
    for (const end of [socket, behind]) end.on("error", () => {});
    socket.pipe(behind).pipe(socket);
    socket.on("close", () => behind.destroy());
  });
  front.on("tlsClientError", () => {});
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  const secure = `https://127.0.0.1:${(front.address() as AddressInfo).port}`;
  try {
    const backend = etcdBackend({ hosts: secure, credentials: { rootCertificate: readFileSync(cert) } });
    const lease = await hold(backend, "r");
    expect(await release(backend, lease)).toBe("released");
    await backend.close();
    const trusting = etcdBackend({ hosts: secure, timeoutMs: 1000 });
    await expect(trusting.acquire(request("r"))).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    await trusting.close();
  } finally {
    front.close();
    await etcd.stop();
    rmSync(folder, { recursive: true });
  }
});
