// Passkeys: puts the server's question to the browser when a form with data-passkey is sent, and sends the answer with it.
(() => {
    const bytes = (text) => {
        const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
        return Uint8Array.from(plain, (each) => each.charCodeAt(0));
    };

    const text = (buffer) =>
        btoa(String.fromCharCode(...new Uint8Array(buffer)))
            .replace(/\+/g, "-")
            .replace(/\//g, "_")
            .replace(/=+$/, "");

    const known = (credentials) => (credentials || []).map((each) => ({ ...each, id: bytes(each.id) }));

    const ask = (kind, question) => {
        const publicKey = { ...question, challenge: bytes(question.challenge) };
        if (kind === "get") {
            publicKey.allowCredentials = known(question.allowCredentials);
            return navigator.credentials.get({ publicKey });
        }
        publicKey.user = { ...question.user, id: bytes(question.user.id) };
        publicKey.excludeCredentials = known(question.excludeCredentials);
        return navigator.credentials.create({ publicKey });
    };

    const written = (credential) => {
        const response = {};
        for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
            if (credential.response[part]) response[part] = text(credential.response[part]);
        }
        return JSON.stringify({
            id: credential.id,
            rawId: text(credential.rawId),
            type: credential.type,
            response,
            clientExtensionResults: {},
        });
    };

    const REASONS = {
        NotAllowedError: "It was cancelled, or took too long. Try again.",
        InvalidStateError: "This device holds a passkey of yours already.",
        SecurityError: "Passkeys work only over https and at an address by name, such as localhost, not 127.0.0.1.",
    };

    const equip = (form) => {
        form.addEventListener("submit", async (event) => {
            event.preventDefault();
            const said = form.querySelector("[data-passkey-said]");
            if (!navigator.credentials || !window.PublicKeyCredential) {
                said.textContent = "This browser has no passkeys here. They need https, and a newer browser.";
                return;
            }
            said.textContent = "Follow what your browser asks.";
            try {
                const credential = await ask(form.dataset.passkey, JSON.parse(form.dataset.question));
                form.elements.answer.value = written(credential);
                form.submit();
            } catch (error) {
                said.textContent = REASONS[error.name] || `The browser refused: ${error.message}`;
            }
        });
    };

    document.querySelectorAll("form[data-passkey]").forEach(equip);
})();
