// Components that are drawn again only when a prop changed, so that a growing reply does not redraw
// the messages before it.
import { Component, createElement, type ComponentChildren, type FunctionComponent, type VNode } from "preact";

export function memo<Props extends object>(draw: (props: Props) => VNode): FunctionComponent<Props> {
  class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Readonly<Props>): boolean {
      const keys = Object.keys(next) as (keyof Props)[];
      return keys.length !== Object.keys(this.props).length || keys.some((key) => next[key] !== this.props[key]);
    }
    override render(): ComponentChildren {
      return createElement(draw as FunctionComponent<Props>, this.props as Props);
    }
  }
  return (props) => createElement(Memo, props);
}
