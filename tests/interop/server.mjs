// An authorization server that others wrote (npm oidc-provider), driven over stdin and stdout in JSON lines.
//
//   in   the first line: options {token_lifetime, scopes, resources, dpop}, all of them optional
//        each further line: a client's metadata (RFC 7591); a known client_id is replaced
//   out  {"event": "ready", "issuer"}       once it listens, on a free port of 127.0.0.1
//        {"event": "registered", "client_id"}
//        {"event": "granted", "client_id", "scope", "expires_in"}
//        {"event": "refused", "client_id", "error", "error_description", "detail"}, where `detail` is the reason
//        that the server keeps to itself
//
// It ends when stdin does, so that it never outlives the test that started it.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import Provider, { errors } from 'oidc-provider';

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const KEPT = 100_000; // the library's own store forgets a used jti after 1,000 further entries

const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
console.info = console.warn; // the library's notices; stdout is ours

const kept = new Map(); // `${model}:${id}` -> {payload, expires}, oldest first

class Adapter {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async find(id) {
    const entry = kept.get(this.key(id));
    return entry && entry.expires > Date.now() ? entry.payload : undefined;
  }

  async upsert(id, payload, lifetime = Infinity) {
    kept.delete(this.key(id));
    kept.set(this.key(id), { payload, expires: Date.now() + lifetime * 1000 });
    for (const [key, { expires }] of kept) {
      if (kept.size <= KEPT && expires > Date.now()) break;
      if (expires !== Infinity) kept.delete(key); // a client stays
    }
  }

  async destroy(id) {
    kept.delete(this.key(id));
  }
}

const clients = new Adapter('Client');

function register(metadata) {
  clients.upsert(metadata.client_id, {
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    ...metadata,
  });
  tell({ event: 'registered', client_id: metadata.client_id });
}

function start(options) {
  const http = createServer();
  http.listen(0, '127.0.0.1', () => {
    const issuer = `http://127.0.0.1:${http.address().port}`;
    const provider = new Provider(issuer, configuration(options));
    provider.on('grant.success', ({ oidc, body }) => {
      tell({ event: 'granted', client_id: oidc.client.clientId, scope: body.scope, expires_in: body.expires_in });
    });
    provider.on('grant.error', ({ oidc }, { error, error_description, error_detail }) => {
      const client_id = oidc.client?.clientId ?? oidc.params?.client_id;
      tell({ event: 'refused', client_id, error, error_description, detail: error_detail });
    });
    provider.on('server_error', (_, error) => {
      tell({ event: 'refused', error: 'server_error', detail: error.stack });
    });
    http.on('request', provider.callback());
    tell({ event: 'ready', issuer });
  });
}

function configuration({ token_lifetime = 300, scopes = [], resources = {}, dpop = null }) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    adapter: Adapter,
    clientAuthMethods: ['private_key_jwt', 'client_secret_basic', 'client_secret_post'],
    cookies: { keys: [randomBytes(32).toString('hex')] },
    enabledJWA: { clientAuthSigningAlgValues: ALGORITHMS, dPoPSigningAlgValues: ALGORITHMS },
    extraClientMetadata: { properties: ['token_lifetime'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: {
        enabled: dpop !== null,
        nonceSecret: randomBytes(32),
        requireNonce: () => dpop?.require_nonce === true,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (ctx, resource) => {
          if (!(resource in resources)) throw new errors.InvalidTarget();
          return { audience: resource, ...resources[resource] };
        },
      },
    },
    fetch: (url, { dispatcher, ...init }) => fetch(url, init), // its dispatcher refuses loopback, where the tests' jwks_uri are
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' }] },
    scopes,
    ttl: { ClientCredentials: (ctx, token, client) => client.token_lifetime ?? token_lifetime },
  };
}

let heard = start;
createInterface({ input: process.stdin })
  .on('line', (line) => {
    heard(JSON.parse(line));
    heard = register;
  })
  .on('close', () => process.exit());
