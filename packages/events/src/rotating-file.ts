import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, parse } from "node:path";
import { syncFolder } from "./durable.js";
import { cutTornLine } from "./torn-line.js";

export interface RotatingFileOptions {
  readonly maxBytes: number;
  readonly maxFiles: number;
  readonly sync: boolean;
}

/** A file of lines that is put away when it is full. Opened at the first append; calls must not overlap. */
export class RotatingFile {
  readonly #path: string;
  readonly #options: RotatingFileOptions;
  #file: { readonly handle: FileHandle; size: number } | null = null;

  constructor(path: string, options: RotatingFileOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Resolves once all lines are written, and synced if that was asked for. */
  async append(lines: readonly string[]): Promise<void> {
    try {
      let chunk: string[] = [];
      let bytes = 0;
      for (const line of lines) {
        const length = Buffer.byteLength(line);
        const size = (await this.#open()).size + bytes;
        if (size > 0 && size + length > this.#options.maxBytes) {
          await this.#write(chunk, bytes);
          await this.#rotate();
          chunk = [];
          bytes = 0;
        }
        chunk.push(line);
        bytes += length;
      }
      await this.#write(chunk, bytes);
    } catch (error) {
      // A line may be torn (a full disk): opening anew cuts it off.
      await this.close().catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.handle.close();
  }

  async #open(): Promise<{ readonly handle: FileHandle; size: number }> {
    if (this.#file !== null) return this.#file;
    await mkdir(dirname(this.#path), { recursive: true });
    const handle = await open(this.#path, "a+");
    try {
      const size = await cutTornLine(handle);
      if (this.#options.sync) await syncFolder(dirname(this.#path));
      this.#file = { handle, size };
      return this.#file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #write(lines: readonly string[], bytes: number): Promise<void> {
    if (lines.length === 0) return;
    const file = await this.#open();
    await file.handle.appendFile(lines.join(""));
    file.size += bytes;
    if (this.#options.sync) await file.handle.datasync();
  }

  /** Numbers only grow, so that a file put away never changes its name: who ships files can rely on that. */
  async #rotate(): Promise<void> {
    await this.close();
    const numbers = await this.#numbers();
    const next = (numbers.at(-1) ?? 0) + 1;
    await rename(this.#path, this.#pathOf(next));
    numbers.push(next);
    const surplus = numbers.slice(0, Math.max(0, numbers.length - this.#options.maxFiles));
    await Promise.all(surplus.map((number) => rm(this.#pathOf(number), { force: true })));
  }

  /** Of the files put away, oldest first. */
  async #numbers(): Promise<number[]> {
    const { dir, name, ext } = parse(this.#path);
    const found = (await readdir(dir || ".")).flatMap((file) => {
      if (!file.startsWith(`${name}.`) || !file.endsWith(ext)) return [];
      const digits = file.slice(name.length + 1, file.length - ext.length);
      return /^\d{6,}$/.test(digits) ? [Number(digits)] : [];
    });
    return found.sort((a, b) => a - b);
  }

  #pathOf(number: number): string {
    const { dir, name, ext } = parse(this.#path);
    return join(dir, `${name}.${String(number).padStart(6, "0")}${ext}`);
  }
}
