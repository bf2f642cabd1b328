# What a type checker sees of `curator`: at run time the same names are imported when they are first used.
from curator.api import AuditResult as AuditResult
from curator.api import audit as audit
from curator.api import export as export
from curator.api import forecast as forecast
from curator.api import recommend as recommend
from curator.api import validate as validate
from curator.app.browse import browse as browse
from curator.commands.session import Session as Session
from curator.errors import CuratorError as CuratorError
from curator.types import Audit as Audit
from curator.types import AuditRun as AuditRun
from curator.types import Clusters as Clusters
from curator.types import Dataset as Dataset
from curator.types import Embeddings as Embeddings
from curator.types import Finding as Finding
from curator.types import Measures as Measures
from curator.types import ProbeReport as ProbeReport
from curator.types import Recommendation as Recommendation
from curator.types import SplitPlan as SplitPlan

__version__: str
