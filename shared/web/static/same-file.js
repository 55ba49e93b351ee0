// Compares a file with the SHA-256 of a receipt on this device, piece by piece: the file is sent nowhere and never held
// whole. Without this script the page says how to do it by hand.
const part = document.querySelector('[data-sha256]')
const chosen = part.querySelector('input')
const progress = part.querySelector('progress')
const status = part.querySelector('[role=status]')
let latest

const { sha256 } = await import(part.dataset.hashing)
part.querySelector('[data-comparing]').hidden = false
chosen.addEventListener('click', () => { chosen.value = '' }) // the same file again may have changed
chosen.addEventListener('change', () => compare(chosen.files[0]))

async function compare(file) {
  latest = file
  status.textContent = ''
  if (!file) return
  progress.hidden = false
  progress.value = 0
  try {
    const digest = await digestOf(file)
    if (digest) say(file, digest)
  } catch {
    if (latest === file) status.textContent = 'The file cannot be read. It may have been moved or changed: choose it again.'
  }
  if (latest === file) progress.hidden = true
}

// Nothing when another file was chosen in between.
async function digestOf(file) {
  const hash = sha256.create()
  const reader = file.stream().getReader()
  for (let done = 0; ;) {
    const piece = await reader.read()
    if (latest !== file) return undefined
    if (piece.done) return hash.hex()
    hash.update(piece.value)
    done += piece.value.length
    progress.value = done / file.size
  }
}

function say(file, digest) {
  const same = digest === part.dataset.sha256
  const tag = document.createElement('strong')
  tag.className = `govuk-tag govuk-tag--${same ? 'green' : 'red'}`
  tag.textContent = same ? 'The same' : 'Not the same'
  const name = document.createElement('bdi')
  name.textContent = file.name
  const words = same
    ? ' is the file that was handed in, byte for byte.'
    : ` is not the file that was handed in, or it was changed since. Its SHA-256 is ${digest}.`
  status.replaceChildren(tag, ' ', name, words)
}
