import { useEffect } from "react";
import { useSession } from "./api/session";
import { PAGES, useLeaving, useRoute } from "./lib/router";
import { DataPage } from "./pages/data/data-page";
import { NodesPage } from "./pages/nodes/nodes-page";
import { NotFoundPage } from "./pages/not-found-page";
import { OverviewPage } from "./pages/overview/overview-page";
import { SeedPage } from "./pages/seed/seed-page";
import { SignInPage } from "./pages/sign-in/sign-in-page";
import { Palette } from "./shell/palette";
import { Sidebar } from "./shell/sidebar";
import { TopBar } from "./shell/top-bar";
import { Confirm } from "./ui/confirm";

const SCREENS: Record<string, () => React.JSX.Element> = {
  "/": OverviewPage,
  "/dashboard/nodes": NodesPage,
  "/dashboard/data": DataPage,
  "/dashboard/seed": SeedPage,
};

export function App() {
  const { path } = useRoute();
  const { isAsked } = useSession();
  const leaving = useLeaving();
  const title = PAGES.find((page) => page.path === path)?.title ?? "Not found";
  const Screen = SCREENS[path] ?? NotFoundPage;
  useEffect(() => {
    document.title = `${isAsked ? "Sign in" : title} · LimeDB`;
  }, [title, isAsked]);
  if (isAsked) return <SignInPage />;
  return (
    <div className="min-h-dvh md:grid md:grid-cols-[11.5rem_1fr]">
      <Sidebar />
      <div className="min-w-0 pb-16 md:pb-0">
        <TopBar title={title} />
        <main className="mx-auto max-w-[1440px] p-3 md:p-4">
          <Screen />
        </main>
      </div>
      <Palette />
      {leaving && (
        <Confirm
          title="Leave without saving?"
          action="Leave"
          onConfirm={leaving.leave}
          onCancel={leaving.stay}
        >
          Your changes here are not saved.
        </Confirm>
      )}
    </div>
  );
}
