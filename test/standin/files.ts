// test/standin/files.ts: the Files API: multipart uploads, kept in memory, seen by their workspace only.

import type { DeletedFile, FileMetadata } from '@anthropic-ai/sdk/resources/files.js';
import { jsonAnswer, type Answer } from './answer.ts';
import { ApiError, invalid } from './errors.ts';
import { limitOf } from './paging.ts';
import type { StoredFile, Visit, World } from './world.ts';

export async function uploadFile(visit: Visit, world: World): Promise<Answer> {
  const type = visit.headers['content-type'] ?? '';
  if (!type.startsWith('multipart/form-data')) throw invalid('content-type: multipart/form-data is required');
  let form: FormData;
  try {
    // The platform's own parser for multipart bodies.
    form = await new Response(new Uint8Array(visit.body), { headers: { 'content-type': type } }).formData();
  } catch {
    throw invalid('The multipart body could not be read');
  }
  const file = form.get('file');
  if (file === null || typeof file === 'string') throw invalid('file: Field required');
  const bytes = Buffer.from(await file.arrayBuffer());
  const lifetime = form.get('expires_in_seconds');
  const metadata: FileMetadata = {
    id: visit.chance.id('file_01'),
    type: 'file',
    filename: file.name,
    mime_type: file.type === '' ? 'application/octet-stream' : file.type,
    size_bytes: bytes.length,
    created_at: new Date(world.now()).toISOString(),
    downloadable: false,
    expires_at: lifetime === null ? null : new Date(world.now() + Number(lifetime) * 1000).toISOString(),
  };
  world.files.set(metadata.id, { workspace: visit.workspace, metadata, bytes });
  return jsonAnswer(metadata);
}

export function listFiles(visit: Visit, world: World): Answer {
  const mine = [...world.files.values()].filter((f) => f.workspace === visit.workspace).map((f) => f.metadata).reverse();
  const ids = [...visit.query.getAll('ids'), ...visit.query.getAll('ids[]')];
  const wanted = ids.length === 0 ? mine : mine.filter((f) => ids.includes(f.id));
  const from = Number(visit.query.get('page') ?? 0);
  const limit = limitOf(visit.query, 20);
  const data = wanted.slice(from, from + limit);
  return jsonAnswer({ data, next_page: from + limit < wanted.length ? String(from + limit) : null, has_more: from + limit < wanted.length, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null });
}

export function getFile(visit: Visit, world: World): Answer {
  return jsonAnswer(find(visit, world).metadata);
}

export function deleteFile(visit: Visit, world: World): Answer {
  const { metadata } = find(visit, world);
  world.files.delete(metadata.id);
  return jsonAnswer({ id: metadata.id, type: 'file_deleted' } satisfies DeletedFile);
}

/** Uploads cannot be downloaded at the API; only what a tool made can. A file whose name begins with `made-` counts as made by a tool. */
export function fileContent(visit: Visit, world: World): Answer {
  const { metadata, bytes } = find(visit, world);
  if (!metadata.filename.startsWith('made-')) throw new ApiError('invalid_request_error', `File ${metadata.id} is not downloadable`, { code: 'file_not_downloadable' });
  return jsonAnswer(null, { headers: { 'content-type': metadata.mime_type }, body: bytes });
}

function find(visit: Visit, world: World): StoredFile {
  const id = visit.path.split('/')[3] ?? '';
  const file = world.files.get(id);
  if (!file || file.workspace !== visit.workspace) throw new ApiError('not_found_error', `File ${id} not found`);
  return file;
}
