/** Parts of etcd transactions. */
import type { ICompare, IRangeRequest, IRequestOp, ITxnRequest } from "etcd3";
import type { KeyRange } from "./model.js";

/** etcd takes so many compares, and so many operations, in a transaction; those of a nested one count on top. */
export const MAX_OPS = 128;

/** There is no key in this range. */
export function isEmpty({ key, range_end }: KeyRange): ICompare {
  return { key, range_end, target: "Create", result: "Equal", create_revision: 0 };
}

export function isMissing(key: Buffer): ICompare {
  return { key, target: "Create", result: "Equal", create_revision: 0 };
}

/** The key is still the one that was created at this revision. */
export function isCreatedAt(key: Buffer, revision: number): ICompare {
  return { key, target: "Create", result: "Equal", create_revision: revision };
}

/** The key was not written since. */
export function isWrittenAt(key: Buffer, revision: number): ICompare {
  return { key, target: "Mod", result: "Equal", mod_revision: revision };
}

/** Nothing in this range was created after the revision; true of an empty range. */
export function isOlderThan({ key, range_end }: KeyRange, revision: number): ICompare {
  return { key, range_end, target: "Create", result: "Less", create_revision: revision };
}

export function put(key: Buffer, value: Buffer, lease: string | 0): IRequestOp {
  return { request_put: { key, value, lease } };
}

/** Keeps the value, and with it the create revision, on another etcd lease. */
export function move(key: Buffer, lease: string): IRequestOp {
  return { request_put: { key, lease, ignore_value: true } };
}

export function remove(key: Buffer): IRequestOp {
  return { request_delete_range: { key } };
}

export function get(key: Buffer, options: IRangeRequest = {}): IRequestOp {
  return { request_range: { key, ...options } };
}

export function getRange({ key, range_end }: KeyRange): IRequestOp {
  return { request_range: { key, range_end } };
}

export function nested(txn: ITxnRequest): IRequestOp {
  return { request_txn: txn };
}
