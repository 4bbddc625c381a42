// The browser talks to this origin only; Doorward stands behind it. The session cookie is the only credential.
const doorward = process.env.DOORWARD_URL ?? "http://127.0.0.1:8080";

export default {
  async rewrites() {
    return ["apps", "api/v1"].map((path) => ({ source: `/${path}/:rest*`, destination: `${doorward}/${path}/:rest*` }));
  },
};
