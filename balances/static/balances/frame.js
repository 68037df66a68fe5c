/* Keeps the pages within their content security policy. Loaded after htmx and before it starts. */
"use strict";

// htmx would write a style element, and compile attributes that no page has.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

// Alpine would set a bound string as a style attribute; properties of an object are set one by one, which is allowed.
document.addEventListener("alpine:init", () => {
    document.getElementById("changelist-actions")?.setAttribute("x-bind:style", "{width: changeListWidth + 'px'}");
});

// The name of an icon is no text; what has nothing but an icon is named by its title, or by the field that it sends.
function nameIcons() {
    for (const icon of document.querySelectorAll(".material-symbols-outlined:not([aria-hidden], button)")) {
        icon.setAttribute("aria-hidden", "true");
        const control = icon.closest("a, button");
        const name = control?.title || control?.nextElementSibling?.placeholder;
        if (name && !control.hasAttribute("aria-label") && control.textContent.trim() === icon.textContent.trim()) {
            control.setAttribute("aria-label", name);
        }
    }
}
document.addEventListener("DOMContentLoaded", nameIcons);
document.addEventListener("htmx:afterSwap", nameIcons);

// A field to choose from and a tip have a name for screen readers only once they have a role that may have one.
function nameParts() {
    for (const field of document.querySelectorAll(".select2-selection")) {
        const name = field.closest(".select2")?.previousElementSibling?.labels?.[0]?.textContent.trim();
        for (const part of name ? [field, ...field.querySelectorAll("[role=textbox]")] : []) {
            part.removeAttribute("aria-labelledby");
            part.setAttribute("aria-label", name);
        }
    }
    for (const tip of document.querySelectorAll(".help-tooltip[aria-label]")) {
        tip.setAttribute("role", "img");
    }
}
window.addEventListener("load", () => setTimeout(nameParts)); // after those of the scripts that make these parts
