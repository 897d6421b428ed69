// A real OpenID Connect issuer (npm `oidc-provider`) for the tests. Its people and keys come in as JSON on the command
// line: node oidc_issuer.mjs PORT CONFIG. It prints one line when it answers.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [port, text, tools] = process.argv.slice(2);
const config = JSON.parse(text);
const where = createRequire(`${tools}/`).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(where).href);

const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: config.clients,
    jwks: config.jwks,
    cookies: { keys: ["a secret of the tests"] },
    claims: { openid: ["sub", "email", "email_verified", "name", "groups", "cpo"], email: [], profile: [] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    async findAccount(_ctx, sub) {
        return { accountId: sub, async claims() { return { sub, ...config.people[sub] }; } };
    },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
