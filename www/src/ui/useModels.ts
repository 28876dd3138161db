// The models on offer. A list that cannot be had is an empty one: any name can still be typed.
import { useEffect, useState } from "preact/hooks";
import type { Gateway, Model } from "../wire/gateway";

export function useModels(gateway: Gateway): Model[] {
  const [models, setModels] = useState<Model[]>([]);
  useEffect(() => {
    let current = true;
    gateway.models().then(
      (list) => current && setModels(list),
      () => undefined,
    );
    return () => void (current = false);
  }, [gateway]);
  return models;
}
