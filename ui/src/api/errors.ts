/** What went wrong with a request, as the server said it, or that no server answered. */

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null,
    readonly retryAfterS: number | null = null,
    readonly param: string | null = null,
  ) {
    super(message);
  }

  /** The session has ended, or there never was one. */
  get isSignedOut(): boolean {
    return this.status === 401 && this.code === "not_authenticated";
  }
}

/** No answer: Doorward is away, or the network is. */
export class Unreachable extends Error {
  constructor() {
    super("Can't reach Doorward.");
  }
}

interface Envelope {
  error?: { message?: unknown; code?: unknown; param?: unknown };
}

/** OpenAI's error shape and the headers around it -> `ApiError`. `body` is whatever was read. */
export function errorOf(response: Response, body: unknown): ApiError {
  const said = (typeof body === "object" && body !== null ? (body as Envelope).error : undefined) ?? {};
  const message = typeof said.message === "string" && said.message ? said.message : `Doorward answered ${response.status}.`;
  const wait = Number(response.headers.get("retry-after"));
  return new ApiError(
    response.status,
    typeof said.code === "string" ? said.code : "",
    message,
    response.headers.get("x-request-id"),
    response.headers.has("retry-after") && Number.isFinite(wait) ? wait : null,
    typeof said.param === "string" ? said.param : null,
  );
}

/** What to show of any error. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError || error instanceof Unreachable) return error.message;
  return "This page made a mistake. Reload it; if that does not help, tell whoever runs Doorward.";
}
