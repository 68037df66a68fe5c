// Puts a button behind every shortened id that copies all of it, and says so to people who listen to the page.
(() => {
    const COPIED_MS = 1500;

    const copy = async (text) => {
        if (navigator.clipboard && window.isSecureContext) {
            await navigator.clipboard.writeText(text);
            return;
        }
        // Without TLS a browser offers only this way.
        const field = document.createElement("textarea");
        field.value = text;
        field.className = "ledger-off-screen";
        document.body.append(field);
        field.select();
        document.execCommand("copy");
        field.remove();
    };

    const button = (key) => {
        const made = document.createElement("button");
        const label = `Copy ${key.dataset.copy}`;
        made.type = "button";
        made.className = "ledger-copy material-symbols-outlined";
        made.textContent = "content_copy";
        made.title = "Copy";
        made.setAttribute("aria-label", label);
        made.addEventListener("click", async (event) => {
            event.preventDefault();
            event.stopPropagation();
            await copy(key.dataset.copy);
            made.textContent = "check";
            made.setAttribute("aria-label", "Copied");
            made.focus();
            window.setTimeout(() => {
                made.textContent = "content_copy";
                made.setAttribute("aria-label", label);
            }, COPIED_MS);
        });
        return made;
    };

    const equip = () => {
        document.querySelectorAll("[data-copy]:not([data-equipped])").forEach((key) => {
            key.dataset.equipped = "";
            (key.closest("a") || key).after(button(key));
        });
    };

    document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", equip) : equip();
})();
