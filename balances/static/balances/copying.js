/* Copies a text when its button is pressed, and says so beside it. */
"use strict";

document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button === null) {
        return;
    }
    const said = button.parentElement.querySelector("[role=status]");
    try {
        await navigator.clipboard.writeText(button.dataset.copy);
        said.textContent = "Copied.";
    } catch {
        said.textContent = "This browser does not let pages copy: mark the text and copy it.";
    }
});
