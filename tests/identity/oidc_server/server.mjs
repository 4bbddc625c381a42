// A real OpenID Provider (npm oidc-provider) for tests: one client, PKCE, any login name signs in.
// argv: port to listen on, redirect URI, post-logout URI, client secret. Prints "ready" when it listens.
import Provider from 'oidc-provider';

const [port, redirect, afterLogout, secret] = process.argv.slice(2);

const groups = new Map();
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'doorward',
      client_secret: secret,
      redirect_uris: [redirect],
      post_logout_redirect_uris: [afterLogout],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    },
  ],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['groups'] },
  pkce: { required: () => true },
  cookies: { keys: ['only for tests'] },
  // any login name is a subject; its e-mail follows from it
  findAccount: async (_context, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id,
      email: `${id}@example.com`,
      email_verified: id !== 'unverified',
      groups: groups.get(id) ?? [],
    }),
  }),
});

// GET /test/groups?of=ann&are=admins,staff: what the claim "groups" says from now on
provider.use(async (context, next) => {
  if (context.path !== '/test/groups') return next();
  groups.set(context.query.of, context.query.are.split(','));
  context.body = 'ok';
});

provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
