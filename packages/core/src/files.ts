/**
 * `@lease/core/files`: resources for real files. The only part of this package that touches the file system.
 *
 * A file has many paths (`./x`, `x`, an absolute one, one through a symlink) and must have one resource, or two
 * agents would each hold "the" file. These functions look at the file system and give the one name.
 *
 * What they do not see:
 * - The name is that of the moment. A symlink, or a directory on the way, that is changed later is not followed.
 * - A hard link is a second name of the same file, and is a second resource.
 * - Where a file system ignores case (macOS, Windows), the true spelling is known once the file exists. Before that
 *   `New.ts` and `new.ts` are two resources; agree on one spelling, or claim the directory, to create files.
 * - Names that differ only in their Unicode form (composed or decomposed) are one resource, also on file systems
 *   where they are two files: one claim too wide is harmless, one too narrow is not.
 *
 * They are synchronous: a handful of look-ups, mostly from the system's cache, right where a claim is written.
 *
 * @packageDocumentation
 */
export { directoryResource, type FileResourceOptions, fileResource } from "./files/file-resource.js";
export { type FileSpace, type FileSpaceOptions, fileSpace } from "./files/file-space.js";
