// Starts the components of a page. Everything works without them; this adds the menu of small screens, the focus on
// what is wrong, and that a button pressed twice acts once.
const { initAll } = await import(document.documentElement.dataset.components)
document.body.classList.add('js-enabled', 'govuk-frontend-supported')
initAll()
