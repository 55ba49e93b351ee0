// Shows the figures of a page as they change. The page is whole without it, and has a link to load it anew.
// Parts with a name in `data-live` are replaced where they differ; nothing that can have the focus is in one.
const SILENT_MILLISECONDS = 10000
const WAIT_MILLISECONDS = 2000
const MOST_WAIT_MILLISECONDS = 60000
const LOST = 'The connection is lost: the figures are those of the time shown and get old. The page tries again by itself. If it does not come back, load it anew; you may have to sign in.'

const page = document.querySelector('[data-live-from]')
const said = page.querySelector('[data-connection]')
let heardAt = Date.now()
let wait = WAIT_MILLISECONDS
let isLost = false
let source

function show(html) {
  const fresh = new DOMParser().parseFromString(html, 'text/html')
  for (const old of page.querySelectorAll('[data-live]')) {
    const now = fresh.querySelector(`[data-live="${old.dataset.live}"]`)
    if (now && now.innerHTML !== old.innerHTML) old.replaceChildren(...now.childNodes)
  }
}

// Only a change of the connection is said: it is read out, and the figures are not.
function tell(lost) {
  if (lost === isLost) return
  isLost = lost
  page.classList.toggle('figures-old', lost)
  said.textContent = lost ? LOST : 'The figures change by themselves again.'
}

function listen() {
  source = new EventSource(page.dataset.liveFrom)
  source.addEventListener('figures', (event) => {
    heardAt = Date.now()
    wait = WAIT_MILLISECONDS
    show(event.data)
    tell(false)
  })
  source.addEventListener('error', () => {
    if (source.readyState !== EventSource.CLOSED) return // it asks again by itself, as after each stream
    tell(true)
    setTimeout(listen, wait)
    wait = Math.min(2 * wait, MOST_WAIT_MILLISECONDS)
  })
}

setInterval(() => { if (Date.now() - heardAt > SILENT_MILLISECONDS) tell(true) }, 1000)
addEventListener('pagehide', () => source.close())
addEventListener('pageshow', (event) => { if (event.persisted) listen() })
said.textContent = 'The figures change by themselves.'
listen()
