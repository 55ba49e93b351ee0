// Sends the chosen file in pieces instead of as a form: it shows how far it is, can be paused, and goes on by itself
// after the line or the server was gone, and after this page was closed when the same file is chosen again. Without
// this script the form sends the file as a whole, and all else is the same.
const PIECE_BYTES = 5 * 1024 * 1024
const WAITS_MS = [0, 1000, 2000, 5000, 10_000]
const LOOK_MS = 500
const SAID_EVERY_MS = 10_000
const GONE = 'The connection is gone. The upload goes on by itself as soon as it is back.'
const BUSY = 'The service cannot take it at the moment. The upload goes on by itself.'

const form = document.querySelector('form[data-uploads]')
const panel = document.querySelector('#uploading')

if (form && panel) form.addEventListener('submit', (event) => {
  const file = form.elements.file.files[0]
  if (!file) return
  event.preventDefault()
  const uploading = new Uploading(file)
  uploading.begin().catch(() => uploading.problem('The page could not be loaded whole. Please reload it and choose the file again.'))
})

class Uploading {
  constructor(file) {
    this.file = file
    this.began = undefined
    this.said = 0
    this.isUnderWay = this.paused = this.isAway = this.isSignedOut = false
    this.pause = panel.querySelector('[data-pause]')
    this.pause.onclick = () => this.paused ? this.goOn() : this.rest('Paused. What has arrived is kept.')
    panel.querySelector('[data-end]').onclick = () => this.end()
    window.addEventListener('offline', () => this.waitForLine())
    window.addEventListener('online', () => this.isAway && this.goOn())
    window.addEventListener('beforeunload', (event) => this.isUnderWay && event.preventDefault())
  }

  async begin() {
    this.isUnderWay = true
    document.querySelector('.govuk-error-summary')?.remove()
    form.hidden = true
    panel.hidden = false
    panel.querySelector('progress').value = 0
    this.pause.hidden = false
    panel.querySelector('[data-name]').textContent = this.file.name
    panel.querySelector('h2').focus()
    await import(form.dataset.client)
    this.upload = new window.tus.Upload(this.file, {
      endpoint: form.dataset.uploads,
      chunkSize: PIECE_BYTES,
      metadata: { assignment: form.dataset.assignment, filename: this.file.name, filetype: this.file.type },
      headers: { 'X-CSRF-Token': form.dataset.token },
      retryDelays: Array.from({ length: 400 }, (_, number) => WAITS_MS[Math.min(number, WAITS_MS.length - 1)]),
      removeFingerprintOnSuccess: true,
      onShouldRetry: (error) => this.shouldRetry(error),
      onProgress: (sent, all) => this.show(sent, all),
      onSuccess: () => this.check(),
      onError: (error) => this.fail(error.originalResponse),
    })
    const earlier = await this.upload.findPreviousUploads()
    const same = earlier.find(({ metadata }) => metadata.assignment === form.dataset.assignment)
    if (same) this.upload.resumeFromPreviousUpload(same)
    this.goOn('The upload has begun.')
  }

  async goOn(words = 'The upload goes on.') {
    this.paused = this.isAway = false
    this.began = undefined
    this.pause.textContent = 'Pause'
    this.say(words)
    if (this.isSignedOut) await this.renewToken()
    this.upload.start()
  }

  // Who signs in again is in another session, and the token of this page is of the one before.
  async renewToken() {
    const page = await fetch(window.location.pathname).then((answer) => answer.text()).catch(() => '')
    const fresh = new DOMParser().parseFromString(page, 'text/html').querySelector('form[data-uploads]')
    if (!fresh || fresh.dataset.token === this.upload.options.headers['X-CSRF-Token']) return
    this.isSignedOut = false
    this.upload.options.headers['X-CSRF-Token'] = fresh.dataset.token
  }

  rest(words) {
    this.paused = true
    this.pause.textContent = 'Continue'
    this.say(words)
    this.upload?.abort()
  }

  // Who has paused it stays paused when the line comes back.
  waitForLine() {
    this.isAway = this.isUnderWay && !this.paused
    if (this.isAway) this.rest('You are offline. The upload goes on when you are back.')
  }

  async end() {
    this.isUnderWay = false
    await this.upload.abort(true).catch(() => {})
    window.location.reload()
  }

  // Whatever may be over soon is waited for; what the server says of this file is not asked again.
  shouldRetry(error) {
    const status = error.originalResponse?.getStatus() ?? 0
    const soon = status === 0 || status === 409 || status === 423 || status === 429 || status >= 500
    if (soon) this.say(status ? BUSY : GONE)
    return soon && !this.paused
  }

  show(sent, all) {
    const now = performance.now()
    this.began ??= { at: now, sent }
    panel.querySelector('progress').value = sent / all
    const rate = (sent - this.began.sent) / (now - this.began.at)
    const left = rate > 0 && now - this.began.at > 2000 ? `, about ${duration((all - sent) / rate / 1000)} left` : ''
    const words = `${size(sent)} of ${size(all)}${left}`
    panel.querySelector('[data-figures]').textContent = words
    if (now - this.said > SAID_EVERY_MS) this.say(words)
  }

  say(words) {
    this.said = performance.now()
    panel.querySelector('[role=status]').textContent = words
  }

  // The bytes are there; they count when the server has looked at all of them.
  async check() {
    panel.querySelector('progress').value = 1
    this.pause.hidden = true
    this.say('All of it has arrived and is being checked.')
    for (;;) {
      const answer = await fetch(this.upload.url).catch(() => undefined)
      if (answer && answer.status < 500) {
        const found = await answer.json()
        if (!answer.ok) return this.problem(found.detail)
        if (found.refusal) return this.problem(found.refusal.detail)
        if (found.state !== 'checking') break
      }
      await new Promise((resolve) => { setTimeout(resolve, LOOK_MS) })
    }
    this.isUnderWay = false
    window.location.assign(`${window.location.pathname}#uploaded`)
    window.location.reload()
  }

  fail(response) {
    const { code, detail } = problemIn(response)
    if (response?.getStatus() === 401) {
      this.isSignedOut = true
      this.rest('You were signed out. Sign in again in another window, then press Continue here: what has arrived is kept.')
    } else if (code === 'form_expired' && !this.isSignedOut) {
      this.isSignedOut = true
      this.goOn()
    } else {
      this.problem(detail ?? 'The upload came to an end. Please choose the file again: what has arrived is kept.')
    }
  }

  problem(detail) {
    this.isUnderWay = false
    panel.hidden = true
    form.hidden = false
    const summary = document.querySelector('#upload-problem').content.cloneNode(true)
    summary.querySelector('[data-detail]').textContent = detail
    const box = summary.querySelector('.govuk-error-summary')
    box.tabIndex = -1
    form.before(summary)
    box.focus()
  }
}

function problemIn(response) {
  try {
    return JSON.parse(response.getBody())
  } catch {
    return {}
  }
}

function size(bytes) {
  if (bytes < 1024 ** 2) return `${Math.round(bytes / 1024)} KB`
  return bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MB` : `${(bytes / 1024 ** 3).toFixed(2)} GB`
}

function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} seconds`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return minutes === 1 ? 'a minute' : `${minutes} minutes`
  const hours = Math.round(minutes / 60)
  return hours === 1 ? 'an hour' : `${hours} hours`
}
