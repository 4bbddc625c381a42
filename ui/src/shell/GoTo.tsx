import { type NavigateOptions, useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";

/** Goes there, once: the router's own component goes again whenever its parent is drawn. */
export function GoTo(where: NavigateOptions): null {
  const navigate = useNavigate();
  useEffect(() => {
    void navigate({ ...where, replace: true });
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once
  }, []);
  return null;
}
