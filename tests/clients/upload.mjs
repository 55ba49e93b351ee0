// Uploads a file by tus-js-client: node upload.mjs '{"endpoint": …, "token": …, "file": …, "metadata": {…}, …}'.
// Prints {"url", "requests"} at the end, or {"status", "body"} when the server refuses. `stopAt` gives up after so many
// bytes and then begins a second time, as another program that knows the address would. With `patient` it tries again for
// a minute whatever the failure, as its own rules say; else it takes every answer but 423 for an end.
import { createReadStream, statSync } from 'node:fs'
import { Upload } from 'tus-js-client'

const asked = JSON.parse(process.argv[2])
const size = statSync(asked.file).size
let requests = 0

function told(outcome) {
  process.stdout.write(JSON.stringify(outcome))
}

function upload(more) {
  return new Promise((done, failed) => {
    const current = new Upload(size ? createReadStream(asked.file) : Buffer.alloc(0), {
      endpoint: asked.endpoint,
      headers: { Authorization: `Bearer ${asked.token}` },
      metadata: asked.metadata,
      uploadSize: size,
      chunkSize: asked.chunkSize ?? (size || 1),
      uploadDataDuringCreation: asked.withCreation ?? false,
      retryDelays: asked.patient ? Array(60).fill(1000) : [0, 200, 1000, 3000],
      onAfterResponse: () => { requests += 1 },
      ...(asked.patient ? {} : { onShouldRetry: (error) => (error.originalResponse?.getStatus() ?? 423) === 423 }),
      onError: failed,
      onSuccess: () => done(current.url),
      onChunkComplete: async (_, accepted) => {
        if (more.stopAt && accepted >= more.stopAt) {
          await current.abort()
          done(current.url)
        }
      },
      ...more.options,
    })
    current.start()
  })
}

try {
  let url = await upload({ stopAt: asked.stopAt })
  if (asked.stopAt) url = await upload({ options: { uploadUrl: url } })
  told({ url, requests })
} catch (error) {
  told({ status: error.originalResponse?.getStatus(), body: error.originalResponse?.getBody() ?? String(error) })
}
